//! Cost of finding the end, the command and the keys of a request, and the end of a reply.
#![allow(missing_docs, reason = "criterion_group! makes a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nuthatch_wire::memcache::{Blocks, Expect, Limits, ReplyKind, ReplyScanner, RequestScanner, Scan};

fn requests(criterion: &mut Criterion) {
    let keys = (0..10).map(|i| format!(" key:{i:08}")).collect::<String>();
    let cases = [
        ("get_30_bytes", "get key:0000000000000000001\r\n".to_owned()),
        ("get_10_keys", format!("get{keys}\r\n")),
        ("set_100", format!("set key:00000001 0 0 100\r\n{}\r\n", "v".repeat(100))),
        ("set_100_noreply", format!("set key:00000001 0 0 100 noreply\r\n{}\r\n", "v".repeat(100))),
        ("set_16k", format!("set key:00000001 0 0 16384\r\n{}\r\n", "v".repeat(16384))),
        ("incr", "incr key:00000001 1\r\n".to_owned()),
        ("delete", "delete key:00000001\r\n".to_owned()),
        ("mg_flags", "mg key:00000001 v q k O1234\r\n".to_owned()),
        ("ms_100", format!("ms key:00000001 100 T60\r\n{}\r\n", "v".repeat(100))),
        ("mn", "mn\r\n".to_owned()),
    ];
    let limits = Limits::default();
    let mut group = criterion.benchmark_group("memcache_request");
    for (name, frame) in &cases {
        group.throughput(Throughput::Elements(1));
        let mut scanner = RequestScanner::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let Scan::Done(request) = scanner.scan(black_box(frame.as_bytes()), &limits) else {
                    panic!("not whole")
                };
                request.key()
            });
        });
    }
    group.finish();
}

fn replies(criterion: &mut Criterion) {
    let block = format!("VALUE key:00000001 0 100\r\n{}\r\n", "v".repeat(100));
    let one = Expect { kind: ReplyKind::Values, keys: 1 };
    let ten = Expect { kind: ReplyKind::Values, keys: 10 };
    let cases = [
        ("miss", "END\r\n".to_owned(), one),
        ("value_100", format!("{block}END\r\n"), one),
        ("values_10", format!("{}END\r\n", block.repeat(10)), ten),
        ("stored", "STORED\r\n".to_owned(), Expect { kind: ReplyKind::Stored, keys: 1 }),
        ("number", "12345\r\n".to_owned(), Expect { kind: ReplyKind::Number, keys: 1 }),
        (
            "va_100",
            format!("VA 100 f0\r\n{}\r\n", "v".repeat(100)),
            Expect { kind: ReplyKind::MetaGet, keys: 1 },
        ),
        ("hd", "HD\r\n".to_owned(), Expect { kind: ReplyKind::MetaSet, keys: 1 }),
    ];
    let limits = Limits::default();
    let asked = ["key:00000001"; 10].join(" ");
    let mut group = criterion.benchmark_group("memcache_reply");
    for (name, bytes, expect) in &cases {
        group.throughput(Throughput::Elements(1));
        let mut scanner = ReplyScanner::new();
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                let bytes = black_box(bytes.as_bytes());
                let Scan::Done(reply) = scanner.scan(bytes, *expect, asked.as_bytes(), &limits) else {
                    panic!("not whole")
                };
                reply.len
            });
        });
    }
    let bytes = format!("{}END\r\n", block.repeat(10));
    group.bench_function("blocks_10", |bencher| {
        bencher.iter(|| Blocks::new(black_box(bytes.as_bytes())).count());
    });
    group.finish();
}

criterion_group!(benches, requests, replies);
criterion_main!(benches);
