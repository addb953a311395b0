//! Cost of finding the end, the command and the key of a request, and the end of a reply.

#![allow(missing_docs, reason = "criterion_group makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nuthatch_wire::redis::{
    Limits, ReplyLimits, ReplyScan, ReplyScanner, RequestScanner, Route, Scan, encode,
};

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::array(&mut out, words.len());
    for word in words {
        encode::bulk(&mut out, word);
    }
    out
}

fn requests(criterion: &mut Criterion) {
    let value = [b'v'; 100];
    let large = vec![b'v'; 16 * 1024];
    let keys: Vec<String> = (0..10).map(|i| format!("key:{i:08}")).collect();
    let mget: Vec<&[u8]> = std::iter::once(&b"MGET"[..]).chain(keys.iter().map(String::as_bytes)).collect();
    let cases = [
        ("get", request(&[b"GET", b"key:0001"])),
        ("set_100", request(&[b"SET", b"key:00000001", &value])),
        ("set_16k", request(&[b"SET", b"key:00000001", &large])),
        ("incr_lower", request(&[b"incr", b"key:00000001"])),
        ("expire", request(&[b"EXPIRE", b"key:00000001", b"100"])),
        ("mget_10", request(&mget)),
        ("eval", request(&[b"EVALSHA", &[b'f'; 40], b"1", b"key:00000001", b"argument"])),
        ("ping", request(&[b"PING"])),
    ];
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("redis_request");
    for (name, bytes) in &cases {
        group.throughput(Throughput::Elements(1));
        let mut scanner = RequestScanner::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let Scan::Done(found) = scanner.scan(black_box(bytes), &limits) else { panic!("not whole") };
                found.len()
            });
        });
        group.bench_function(format!("{name}_routed"), |bencher| {
            bencher.iter(|| {
                let bytes = black_box(&bytes[..]);
                let Scan::Done(found) = scanner.scan(bytes, &limits) else { panic!("not whole") };
                match found.route(bytes) {
                    Ok((_, Route::One(key))) => key.bytes().len(),
                    Ok((_, Route::Same(keys))) => keys.map(|key| key.bytes().len()).sum(),
                    Ok((_, Route::Split(_, parts))) => parts.map(|part| part.end()).sum(),
                    Ok(_) | Err(_) => 0,
                }
            });
        });
    }
    group.finish();
}

fn replies(criterion: &mut Criterion) {
    let mut bulk = Vec::new();
    encode::bulk(&mut bulk, &[b'v'; 100]);
    let mut array = Vec::new();
    encode::array(&mut array, 10);
    (0..10).for_each(|_| encode::bulk(&mut array, &[b'v'; 16]));
    let cases = [
        ("ok", b"+OK\r\n".to_vec()),
        ("integer", b":1000\r\n".to_vec()),
        ("null", b"$-1\r\n".to_vec()),
        ("bulk_100", bulk),
        ("error", b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n".to_vec()),
        ("array_10", array),
    ];
    let limits = ReplyLimits::default();
    let mut group = criterion.benchmark_group("redis_reply");
    for (name, bytes) in &cases {
        group.throughput(Throughput::Elements(1));
        let mut scanner = ReplyScanner::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let ReplyScan::Done(found) = scanner.scan(black_box(bytes), &limits) else {
                    panic!("not whole")
                };
                found.len()
            });
        });
    }
    let (_, array) = &cases[5];
    let ReplyScan::Done(found) = ReplyScanner::new().scan(array, &limits) else { panic!("not whole") };
    group.bench_function("array_10_elements", |bencher| {
        bencher.iter(|| found.elements(black_box(array)).map(|(_, element)| element.len()).sum::<usize>());
    });
    group.finish();
}

criterion_group!(benches, requests, replies);
criterion_main!(benches);
