//! `XGROUP` and `XACK`.

use super::super::call::Call;
use super::super::command::row;
use super::super::fault::Fault;
use super::super::integer::integer;
use super::{id, unknown_group, wrong_subcommand};
use crate::events::Class;
use crate::store::Room;
use crate::value::stream::{Group, Id, Stream};

const NO_STREAM: Fault = Fault::Other(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// `XGROUP CREATE | SETID | DESTROY | CREATECONSUMER | DELCONSUMER key group …`
pub(in super::super) fn xgroup(call: &mut Call<'_>) -> Result<(), Fault> {
    let subcommand = match call.arg(1).to_ascii_lowercase().as_slice() {
        b"create" => row("xgroup|create", -5, create),
        b"setid" => row("xgroup|setid", -5, set_id),
        b"destroy" => row("xgroup|destroy", 4, destroy),
        b"createconsumer" => row("xgroup|createconsumer", 5, create_consumer),
        b"delconsumer" => row("xgroup|delconsumer", 5, delete_consumer),
        _ => return Err(wrong_subcommand(call)),
    };
    if !subcommand.takes(call.args.len()) {
        return Err(Fault::Arity(subcommand.name));
    }
    (subcommand.run)(call)
}

/// Options of `CREATE` and `SETID`.
struct Options {
    make_stream: bool,
    read: Option<u64>,
}

fn options(call: &Call<'_>) -> Result<Options, Fault> {
    let mut options = Options { make_stream: false, read: None };
    let creates = call.arg(1).eq_ignore_ascii_case(b"create");
    let mut rest = call.args.get(5..).unwrap_or_default().iter();
    while let Some(option) = rest.next() {
        match option.to_ascii_lowercase().as_slice() {
            b"mkstream" if creates => options.make_stream = true,
            b"entriesread" => {
                let read = integer(rest.next().ok_or_else(|| wrong_subcommand(call))?)?;
                if read < -1 {
                    return Err(Fault::Other("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.read = u64::try_from(read).ok();
            }
            _ => return Err(wrong_subcommand(call)),
        }
    }
    Ok(options)
}

fn create(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = options(call)?;
    let (key, name, from) = (call.arg(2), call.arg(3), call.arg(4));
    let Some(last) =
        call.collection::<Stream>(key)?.map(|stream| stream.last).or(options.make_stream.then_some(Id::MIN))
    else {
        return Err(NO_STREAM);
    };
    let group = Group::new(if from == b"$" { last } else { id::strict(from, 0)? }, options.read);
    let room = Room { elements: 4, bytes: name.len() };
    let is_new = call.edit(key, room, |stream: &mut Stream, _| stream.add_group(name, group))?;
    if !is_new {
        return Err(Fault::Other("BUSYGROUP Consumer Group name already exists"));
    }
    call.tell(Class::STREAM, "xgroup-create", key);
    call.ok()
}

/// Changes the group of the command.
fn change<R>(
    call: &mut Call<'_>,
    room: Room,
    change: impl FnOnce(&mut Group, &Stream) -> R,
) -> Result<R, Fault> {
    let (key, name) = (call.arg(2), call.arg(3));
    let changed =
        call.edit_existing(key, room, |stream: &mut Stream, _| stream.change_group(name, change))?;
    let Some(changed) = changed else { return Err(NO_STREAM) };
    changed.ok_or_else(|| unknown_group(key, name))
}

fn set_id(call: &mut Call<'_>) -> Result<(), Fault> {
    let options = options(call)?;
    let from = call.arg(4);
    change(call, Room::default(), |group, stream| {
        group.last = if from == b"$" { stream.last } else { id::any(from, 0)? };
        group.read = options.read;
        Ok(())
    })??;
    call.tell(Class::STREAM, "xgroup-setid", call.arg(2));
    call.ok()
}

fn destroy(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, name) = (call.arg(2), call.arg(3));
    match call.edit_existing(key, Room::default(), |stream: &mut Stream, _| stream.remove_group(name))? {
        Some(removed) => {
            if removed {
                call.tell(Class::STREAM, "xgroup-destroy", key);
            }
            call.integer(i64::from(removed))
        }
        None => Err(NO_STREAM),
    }
}

fn create_consumer(call: &mut Call<'_>) -> Result<(), Fault> {
    let (name, now_ms) = (call.arg(4), call.now_ms);
    let room = Room { elements: 2, bytes: name.len() };
    let is_new = change(call, room, |group, _| {
        let is_new = !group.consumers().contains_key(name);
        if is_new {
            group.consumer(name, now_ms);
        }
        is_new
    })?;
    if is_new {
        call.tell(Class::STREAM, "xgroup-createconsumer", call.arg(2));
    }
    call.integer(i64::from(is_new))
}

fn delete_consumer(call: &mut Call<'_>) -> Result<(), Fault> {
    let name = call.arg(4);
    let pending = change(call, Room::default(), |group, _| group.remove_consumer(name))?;
    if pending.is_some() {
        call.tell(Class::STREAM, "xgroup-delconsumer", call.arg(2));
    }
    call.count(pending.unwrap_or(0))
}

/// `XACK key group id …`
pub(in super::super) fn xack(call: &mut Call<'_>) -> Result<(), Fault> {
    let (key, name) = (call.arg(1), call.arg(2));
    if call.collection::<Stream>(key)?.is_none_or(|stream| stream.group(name).is_none()) {
        return call.integer(0);
    }
    let ids = call.args.iter().skip(3).map(|text| id::strict(text, 0)).collect::<Result<Vec<Id>, _>>()?;
    let acknowledged = call.edit_existing(key, Room::default(), |stream: &mut Stream, _| {
        stream.change_group(name, |group, _| ids.iter().filter(|id| group.forget(**id)).count())
    })?;
    call.count(acknowledged.flatten().unwrap_or(0))
}
