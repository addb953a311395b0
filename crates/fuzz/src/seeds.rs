//! Seeds of inputs: valid ones, relevant malformed ones, and the captures of the original programs.
//!
//! The seeds here suffice without the captures; with them a target starts from several hundred conversations.

mod golden;
pub mod words;

use queue::Due;
use queue::message::Message;
use queue::record::{Record, Requeued};

use crate::bodies::import::{NAMES, pack};
use crate::bodies::topic::CHECKPOINT;
use crate::mutate::Random;

fn own(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|one| one.to_vec()).collect()
}

/// RESP requests.
pub fn redis_requests() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n",
        b"*5\r\n$4\r\nEVAL\r\n$1\r\nx\r\n$1\r\n2\r\n$3\r\n{a}\r\n$4\r\n{a}b\r\n",
        b"*7\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$1\r\n2\r\n$7\r\nSTREAMS\r\n$1\r\ns\r\n$1\r\n0\r\n$1\r\n0\r\n",
        b"*5\r\n$10\r\nZUNIONSTORE\r\n$1\r\nd\r\n$1\r\n2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*3\r\n$7\r\nCOMMAND\r\n$7\r\nGETKEYS\r\n$3\r\nGET\r\n",
        b"PING\r\nGET \"a\\x00\\n\" 'b\\'c'\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n*-1\r\n*0\r\n*1\r\n$-1\r\n",
        b"*1000000000\r\n$1000000000\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$999999999999999999999\r\n",
        b"GET \"unbalanced\r\n",
    ]);
    seeds.extend(golden::under("nutcracker_redis.jsonl", "send"));
    seeds
}

/// Values as `DUMP` writes them: what the embedded cache writes, and packed forms of Redis.
pub fn redis_dumps() -> Vec<Vec<u8>> {
    let mut store = local::Store::new(1 << 20);
    let mut ask = |request: &str| {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let mut reply = Vec::new();
        store.execute_redis(&args, 0, wire::redis::Version::Resp2, &mut reply);
        reply
    };
    let writes = [
        ("s", "SET s value"),
        ("l", "RPUSH l a bb 3"),
        ("t", "SADD t a bb 3"),
        ("h", "HSET h f v g 7"),
        ("z", "ZADD z 1.5 a -inf b 3 c"),
        ("x", "XADD x 5-1 f v"),
        ("x", "XADD x 7-1 g 130"),
        ("x", "XGROUP CREATE x g 0"),
        ("x", "XREADGROUP GROUP g c COUNT 1 STREAMS x >"),
    ];
    let mut seeds = Vec::new();
    for (key, request) in writes {
        ask(request);
        let dumped = ask(&format!("DUMP {key}"));
        let start = dumped.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        // Without the line end, version and checksum.
        seeds.push(dumped[start..dumped.len() - 12].to_vec());
    }
    seeds.extend(own(&[
        b"\x0a\x1a\x1a\0\0\0\x13\0\0\0\x04\0\0\x01a\x03\xf4\x02\xc0\xe8\x03\x04\xd0\xa0\x86\x01\0\xff",
        b"\x12\x01\x02\x0d\x0d\0\0\0\x02\0\x81a\x02\xdf\xff\x02\xff",
        b"\x0b\x0c\x02\0\0\0\x02\0\0\0\xff\xff\x01\0",
        b"\x10\x0d\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\xff",
        b"\x11\x0c\x0c\0\0\0\x02\0\x81m\x02\x02\x01\xff",
        b"\0\xc3\x04\x09\x00a\xe0\x00\x00",
    ]));
    seeds
}

/// Requests to the embedded cache, of every type.
pub fn embedded_redis() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"SET k v EX 10\r\nAPPEND k w\r\nSETRANGE k 9 x\r\nSETBIT k 100 1\r\nBITCOUNT k 0 -1\r\nBITFIELD k INCRBY i5 #1 3\r\n",
        b"RPUSH l a b c\r\nLINSERT l BEFORE b x\r\nLREM l -1 a\r\nLPOS l c RANK -1 COUNT 0\r\nLTRIM l 0 1\r\nBLPOP l 0\r\n",
        b"HSET h f 1 g 2\r\nHINCRBY h f 5\r\nHINCRBYFLOAT h g 0.5\r\nHRANDFIELD h -3 WITHVALUES\r\nHSCAN h 0 MATCH f*\r\nHDEL h f\r\n",
        b"SADD s 1 2 3\r\nSADD t 3 x\r\nSUNIONSTORE u s t\r\nSPOP u 2\r\nSINTERCARD 2 s t LIMIT 1\r\nSMOVE s t 1\r\nSORT t ALPHA\r\n",
        b"ZADD z 1 a 2 b\r\nZADD z GT CH 3 a\r\nZRANGE z (1 +inf BYSCORE LIMIT 0 1\r\nZUNIONSTORE y 2 z s WEIGHTS 2 -1\r\nZPOPMAX y\r\nZMPOP 1 z MIN\r\n",
        b"RENAME k l\r\nCOPY l m REPLACE\r\nOBJECT ENCODING m\r\nSCAN 0 COUNT 1 TYPE list\r\nKEYS *\r\nRANDOMKEY\r\nEXPIRE m 1\r\nFLUSHALL\r\n",
    ]);
    seeds.extend(redis_requests());
    seeds
}

/// Rules of users, with an option's letter before each entry.
pub fn access_rules() -> Vec<Vec<u8>> {
    own(&[
        b"nweb\ns2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\nkapp:*\nk%R~shared:*\nc+@all\nc-@dangerous\nc-del\n",
        b"nops\nfhunter2\nc+config|get\nc+select|0\nc-@read\ncallcommands\nr2000/s\nporders.*\ntorders.*:mail*\n",
        b"nslow\na$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\nxapp-*\n",
        b"nall\nfx\nkallkeys\nh*\ncnocommands\nc+@scripting\nr100/s burst 500\nr1/h\n",
        b"na b\nk%\nk~\nc+\nc+@\nc+get|\nt:\nt\nr/\ns\na$argon2id$\n",
    ])
}

/// RESP replies.
pub fn redis_replies() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"+OK\r\n:1\r\n-ERR x\r\n$3\r\nabc\r\n$-1\r\n*-1\r\n*2\r\n:1\r\n$1\r\na\r\n",
        b"%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n~1\r\n#t\r\n>2\r\n+x\r\n,1.5\r\n(123\r\n!3\r\nERR\r\n=5\r\ntxt:a\r\n",
        b"|1\r\n+ttl\r\n:9\r\n$1\r\nx\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
        b"*2147483647\r\n", b"%9223372036854775807\r\n", b"$9223372036854775807\r\n", b"*?\r\n:1\r\n.\r\n",
    ]);
    seeds.extend(golden::under("nutcracker_redis.jsonl", "expect"));
    seeds
}

/// Redirects, and replies to CLUSTER INFO, CLUSTER SLOTS and CLUSTER SHARDS.
pub fn redis_cluster() -> Vec<Vec<u8>> {
    own(&[
        b"-MOVED 12182 127.0.0.1:37003\r\n",
        b"-ASK 2853 ::1:7000\r\n",
        b"-MOVED 1 :1\r\n",
        b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"$53\r\ncluster_state:ok\r\ncluster_current_epoch:6\r\nx:123456\r\n\r\n",
        b"*1\r\n*4\r\n:0\r\n:16383\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$2\r\nab\r\n*0\r\n*4\r\n$-1\r\n:7001\r\n$2\r\ncd\r\n%1\r\n+ip\r\n+1\r\n",
        b"*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*2\r\n\
          *12\r\n$2\r\nid\r\n$1\r\na\r\n$4\r\nport\r\n:7000\r\n$2\r\nip\r\n$1\r\nh\r\n$8\r\nendpoint\r\n$1\r\n?\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$6\r\nhealth\r\n$6\r\nonline\r\n\
          %5\r\n$2\r\nid\r\n$1\r\nb\r\n$8\r\ntls-port\r\n:7001\r\n$8\r\nendpoint\r\n$-1\r\n$4\r\nrole\r\n$7\r\nreplica\r\n$6\r\nhealth\r\n$7\r\nloading\r\n",
    ])
}

/// memcached's text commands.
pub fn memcache_requests() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"get a b c\r\n",
        b"gets k\r\n",
        b"gat 10 a b\r\n",
        b"set k 1 2 3\r\nabc\r\n",
        b"cas k 0 0 1 99\r\nx\r\n",
        b"append k 0 0 0 noreply\r\n\r\n",
        b"incr k 18446744073709551615\r\ndecr k 1 noreply\r\n",
        b"touch k 1\r\ndelete k 0\r\nflush_all 0\r\nversion\r\nverbosity 1\r\nstats\r\nquit\r\n",
        b"set k 0 0 2\r\nabc\r\n",
        b"set k 0 0 -1\r\n",
        b"set k 0 0 99999999999\r\n",
        b"get \r\n",
        b"\r\n",
    ]);
    seeds.extend(golden::under("nutcracker_memcache.jsonl", "send"));
    seeds
}

/// memcached's meta commands.
pub fn memcache_meta() -> Vec<Vec<u8>> {
    own(&[
        b"mg k v t f c k O12 q\r\n",
        b"mg Zm9v b v\r\n",
        b"ms k 3 T5 F1 I MS q\r\nabc\r\n",
        b"ms Zm9v 1 b\r\nx\r\n",
        b"md k q C5 I T3\r\n",
        b"ma k N0 J5 D2 MI v t c\r\n",
        b"mn\r\n",
        b"me k\r\n",
        b"mg a v q\r\nmg b v q\r\nmn\r\n",
        b"ms k S3\r\nabc\r\n",
        b"ms k 99999999999\r\n",
        b"mg k k b\r\n",
        b"mg  v\r\n",
        b"ms k\r\n",
        b"ma k MX\r\n",
    ])
}

/// memcached's replies, each after two bytes that choose the request.
pub fn memcache_replies() -> Vec<Vec<u8>> {
    let sound: [&[u8]; 12] = [
        b"VALUE k 0 1\r\nx\r\nVALUE l 5 2 77\r\nab\r\nEND\r\n",
        b"STORED\r\n",
        b"5\r\n",
        b"TOUCHED\r\n",
        b"OK\r\n",
        b"VERSION 1.6\r\n",
        b"STAT a 1\r\nSTAT b 2\r\nEND\r\n",
        b"VA 2 t5 c7\r\nab\r\n",
        b"HD\r\nEN\r\n",
        b"MN\r\n",
        b"SERVER_ERROR out of memory\r\n",
        b"VALUE k 0 99999999999\r\n",
    ];
    let mut replies = own(&sound);
    replies.extend(golden::under("nutcracker_memcache.jsonl", "expect"));
    let kinds = 0..17u8;
    replies
        .iter()
        .flat_map(|reply| kinds.clone().map(move |kind| [&[kind, 2, 3], b"k l".as_slice(), reply].concat()))
        .collect()
}

/// Conversations with nsqd, each after the byte that chooses the state.
pub fn nsq_v2() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"PUB t\n\0\0\0\x02hi",
        b"MPUB t\n\0\0\0\x0f\0\0\0\x02\0\0\0\x01a\0\0\0\x02bc",
        b"DPUB t 100\n\0\0\0\x01x",
        b"SUB t c\nRDY 1\n",
        b"FIN 0123456789abcdef\nREQ 0123456789abcdef 0\nTOUCH 0123456789abcdef\n",
        b"IDENTIFY\n\0\0\0\x02{}AUTH\n\0\0\0\x01s",
        b"CLS\nNOP\n",
        b"PUB t\n\xff\xff\xff\xff",
        b"MPUB t\n\0\0\0\x08\xff\xff\xff\xff\0\0\0\x00",
        b"\0\0\0\x02\0\0\0\x01a\0\0\0\x02bc",
        b"a\nb\n\nc",
    ]);
    seeds.extend(golden::under("nsqd_v2.jsonl", "send"));
    let states = [0u8, 1, 2, 0x18, 0x41, 0x21];
    let mut random = Random::new(1);
    seeds.into_iter().map(|seed| [&[*random.pick(&states)], seed.as_slice()].concat()).collect()
}

/// Frames of NSQ.
pub fn nsq_frames() -> Vec<Vec<u8>> {
    let data: [(u8, &[u8]); 5] = [
        (0, b"OK"),
        (0, b"_heartbeat_"),
        (1, b"E_BAD_TOPIC PUB topic name \"\" is not valid"),
        (2, b"\0\0\0\0\0\0\0\x01\0\x01" as &[u8]),
        (2, b"\x16\xaf\x4b\x31\x72\xa5\xc0\x00\0\x010123456789abcdefbody"),
    ];
    let frame = |(kind, data): &(u8, &[u8])| {
        [&(data.len() as u32 + 4).to_be_bytes()[..], &[0, 0, 0, *kind], data].concat()
    };
    let mut seeds: Vec<Vec<u8>> = data.iter().map(frame).collect();
    seeds.push(seeds.concat());
    seeds.extend(own(&[
        b"\0\0\0\x03\0\0\0\0",
        b"\xff\xff\xff\xff\0\0\0\0",
        b"\0\0\0\x04\0\0\0\x09",
        b"\0\0\0\x04\0\0\0\x02",
    ]));
    seeds
}

/// Bodies of IDENTIFY.
pub fn nsq_identify() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"{}", b"null", b"{\"client_id\":\"a\",\"hostname\":\"h\",\"user_agent\":\"u\",\"feature_negotiation\":true,\"heartbeat_interval\":1000,\"output_buffer_size\":16384,\"output_buffer_timeout\":250,\"tls_v1\":true,\"deflate\":true,\"deflate_level\":6,\"snappy\":false,\"sample_rate\":50,\"msg_timeout\":60000}",
        b"{\"heartbeat_interval\":-1,\"output_buffer_size\":-1,\"output_buffer_timeout\":-1}", b"{\"deflate\":true,\"snappy\":true}", b"{\"sample_rate\":1e2}", b"{\"msg_timeout\":9223372036854775808}", b"{\"a\":[[[[]]],{\"b\":null}]}",
        b"OK", b"{\"max_rdy_count\":2500,\"version\":\"1.3.0\",\"max_msg_timeout\":900000,\"msg_timeout\":60000,\"tls_v1\":true,\"deflate\":false,\"deflate_level\":6,\"snappy\":true,\"auth_required\":true}",
    ]);
    for sent in golden::under("nsqd_v2.jsonl", "send") {
        if let Some(at) = sent.windows(9).position(|window| window == b"IDENTIFY\n") {
            seeds.extend(sent.get(at + 13..).map(<[u8]>::to_vec));
        }
    }
    seeds
}

/// Conversations with nsqlookupd.
pub fn nsq_lookup() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"IDENTIFY\n\0\0\0\x44{\"broadcast_address\":\"a\",\"tcp_port\":1,\"http_port\":2,\"version\":\"v\"}",
        b"REGISTER t c\nUNREGISTER t c\nPING\n",
        b"\0\0\0\x02OK",
        b"PING\nREGISTER t\n",
    ]);
    seeds.extend(golden::under("nsqlookupd.jsonl", "send"));
    seeds
}

/// Snapshots of a lookup.
pub fn lookup_snapshot() -> Vec<Vec<u8>> {
    let node = r#"{"remote":"1:2","broadcast_address":"a","hostname":"h","http_port":2,"tcp_port":1,"topology_region":"","topology_zone":"","version":"v","topics":[{"name":"t","tombstoned_at":5,"channels":["c","d#ephemeral"]},{"name":"u"}]}"#;
    let of = |nodes: &str| format!("{{\"version\":1,\"nodes\":[{nodes}]}}").into_bytes();
    vec![of(""), of(node), of(&format!("{node},{node}"))]
}

/// Messages of an upgrade: a hello, a pool, a client, a reason, one of a later version.
pub fn upgrade_messages() -> Vec<Vec<u8>> {
    own(&[
        b"\0\x01\0\x01\0\0\0\x08\0\0\0\0\0\0\0\x01\0\x02\0\0\0\x050.1.0\0\x03\0\0\0\x08\0\0\0\0\0\0\x12g",
        b"\0\x02\0\x04\0\0\0\0",
        b"\0\x03\0\x05\0\0\0\x05cache\0\x06\0\0\0\x05redis",
        b"\0\x04",
        b"\0\x05\0\x07\0\0\0\0\0\x08\0\0\0\0",
        b"\0\x07\0\x09\0\0\0\x08\0\0\0\0\0\0\0\x09",
        b"\0\x09\0\x0a\0\0\0\x01p\0\x09\0\0\0\x08\0\0\0\0\0\0\0\x07\0\x0b\0\0\0\0\0\x0c\0\0\0\0\0\x0d\0\0\0\x03bob",
        b"\0\x0a\0\x0e\0\0\0\x04port",
        b"\xff\xff\0\x01\0\0\0\x01x",
    ])
}

/// Answers of an authorization server.
pub fn rights() -> Vec<Vec<u8>> {
    own(&[
        b"{\"ttl\":3600,\"identity\":\"i\",\"identity_url\":\"u\",\"authorizations\":[{\"topic\":\".*\",\"channels\":[\".*\"],\"permissions\":[\"subscribe\",\"publish\"]}]}", b"{\"ttl\":1}", b"{\"ttl\":0}", b"{\"message\":\"NOT_AUTHORIZED\"}",
        b"{\"ttl\":1,\"authorizations\":[{\"topic\":\"((a{99}){99}){99}\",\"channels\":null,\"permissions\":[\"publish\"]}]}", b"{\"ttl\":1,\"authorizations\":[{\"topic\":\"(a*)*b\",\"channels\":[\"\"],\"permissions\":[]}]}",
    ])
}

/// Snappy streams, each after the byte that chooses the pieces.
pub fn snappy() -> Vec<Vec<u8>> {
    net::fuzzing::snappy_seeds()
}

/// Deflate streams, in the same form.
pub fn deflate() -> Vec<Vec<u8>> {
    net::fuzzing::deflate_seeds()
}

/// HTTP requests.
pub fn http_requests() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"POST /pub?topic=t&defer=10 HTTP\n\nhello", b"POST /pub?topic=t&defer=10\n\nhello", b"POST /mpub?topic=t\n\na\nb\n\nc", b"POST /mpub?topic=t&binary=true&defer=5\n\n\0\0\0\x02\0\0\0\x01a\0\0\0\x02bc", b"GET /stats?format=json&topic=t&channel=c&include_clients=false\n\n",
        b"PUT /config/nsqlookupd_tcp_addresses\n\n[\"127.0.0.1:4160\"]", b"PUT /config/log_level\n\ndebug", b"GET /config/msg_timeout\n\n", b"PUT /topic/settings?topic=t\n\n{\"durability\":\"fsync\",\"bytes_max\":1000,\"at_limit\":\"drop-oldest\",\"ttl_seconds\":60}",
        b"PUT /channel/settings?topic=t&channel=c\n\n{\"max_attempts\":3,\"dead_letter_topic\":\"d\"}", b"POST /channel/seek?topic=t&channel=c&to=beginning\n\n", b"POST /channel/seek?topic=t&channel=c&time=1700000000\n\n", b"GET /channel/peek?topic=t&channel=c&state=deferred&count=10\n\n",
        b"POST /channel/redrive?topic=t&channel=c&count=5\n\n", b"GET /debug/pprof/heap\n\n", b"GET /debug/pprof/symbol?0x1+0x2\n\n", b"OPTIONS /pub\n\n", b"GET //stats/../ping/\n\n", b"POST /pub?topic=t\nContent-Length: 99999999999999999999\nExpect: 100-continue\n\nx",
    ]);
    for case in golden::cases("nsqd_http.jsonl") {
        for step in case["steps"].as_array().into_iter().flatten() {
            let http = &step["http"];
            let text = |key: &str| http[key].as_str().map(golden::bytes).unwrap_or_default();
            seeds.push([&text("method")[..], b" ", &text("path"), b"\n\n", &text("body")].concat());
        }
    }
    seeds
}

/// Noise, for targets that generate their own valid input.
pub fn noise() -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    (0..64).map(|_| (0..random.below(400)).map(|_| random.number() as u8).collect()).collect()
}

/// Records and checkpoints of a topic.
pub fn topic_records() -> Vec<Vec<u8>> {
    let message = |message: &Message<'_>, out: &mut Vec<u8>| {
        let mut payload = Vec::new();
        message.encode_head(&mut payload);
        payload.extend_from_slice(message.body);
        pack(message.kind(), &payload, out);
    };
    let record = |record: &Record, out: &mut Vec<u8>| {
        let mut payload = Vec::new();
        let kind = record.encode(&mut payload);
        pack(kind, &payload, out);
    };
    let mut one = Vec::new();
    record(&Record::TopicCreated { tag: 7, name: "t".into() }, &mut one);
    record(&Record::ChannelCreated { number: 1, cursor: 0, name: "c".into() }, &mut one);
    message(&Message::new(5, b"first"), &mut one);
    message(&Message { due: 9, attempts: 3, id: Some(77), ..Message::new(6, b"second") }, &mut one);
    message(&Message { channel: Some(1), origin: b"{}", ..Message::new(7, b"third") }, &mut one);
    message(&Message { moved_from: Some(20), ..Message::new(8, b"fourth") }, &mut one);
    let mut two = one.clone();
    record(&Record::Finished(1, vec![20, 30, 90]), &mut two);
    let due = Due { at: i64::MAX, given: 9 };
    record(&Record::Requeued(1, vec![Requeued { at: 30, id: 77, attempts: 4, due }]), &mut two);
    record(&Record::ChannelPaused(1, true), &mut two);
    record(&Record::ChannelEmptied(1, 60), &mut two);
    record(&Record::TopicPaused(true), &mut two);
    record(&Record::TopicEmptied(0, 50), &mut two);
    record(&Record::Configured(Some(1), "{\"max_attempts\":3}".into()), &mut two);
    record(&Record::Configured(None, "{\"ttl_seconds\":3}".into()), &mut two);
    record(&Record::Dropped { floor: 40, channels: vec![(1, 2)] }, &mut two);
    record(&Record::ChannelDeleted(1), &mut two);
    // version, wall time, tag, not paused, settings, next number, pumped, waiting, sequence; none held, no
    // milestones, the clock was set back once (where, when), no channels
    let mut three = Vec::new();
    pack(CHECKPOINT, b"\x03\x09\x07\0\x02{}\x01\0\0\0\0\0\x01\x05\x08\0", &mut three);
    vec![two.clone(), [two.clone(), three.clone()].concat(), [three, one.clone()].concat(), one]
}

/// nsqd.dat.
pub fn nsqd_metadata() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"{\"topics\":[{\"name\":\"t\",\"paused\":false,\"channels\":[{\"name\":\"c\",\"paused\":true}]},{\"name\":\"u\",\"paused\":true,\"channels\":null}],\"version\":\"1.3.0\"}", b"{\"topics\":null}", b"{}", b"{\"topics\":[{\"name\":\"a b\"},{\"name\":\"t\"},{\"name\":\"t\"}]}",
    ]);
    seeds.extend(data_directories().iter().filter_map(|dir| std::fs::read(dir.join("nsqd.dat")).ok()));
    seeds
}

fn data_directories() -> Vec<std::path::PathBuf> {
    let cases = std::fs::read_dir(golden::directory().join("nsqd-data")).into_iter().flatten().flatten();
    cases.map(|case| case.path().join("data")).collect()
}

/// Data directories of nsqd: one of our own, and from each captured one the files that fit.
pub fn nsqd_directories() -> Vec<Vec<u8>> {
    let record = |id: &[u8; 16], body: &[u8]| {
        let message = [&1_700_000_000_000_000_000_i64.to_be_bytes()[..], &[0, 1], id, body].concat();
        [&(message.len() as u32).to_be_bytes()[..], &message].concat()
    };
    let queue = [record(b"0123456789abcdef", b"one"), record(b"0123456789abcde0", b"two")].concat();
    let meta = format!("2\n0,0\n0,{}\n", queue.len());
    let dat = b"{\"topics\":[{\"name\":\"t\",\"paused\":false,\"channels\":[{\"name\":\"c\",\"paused\":true},{\"name\":\"d\",\"paused\":false}]}],\"version\":\"1.3.0\"}";
    let mut ours = Vec::new();
    let contents: [&[u8]; 9] =
        [dat, meta.as_bytes(), &queue, &queue, meta.as_bytes(), &queue, b"", b"1\n0,33\n0,66\n", &queue];
    contents.iter().enumerate().for_each(|(at, content)| pack(at as u8, content, &mut ours));
    let mut seeds = vec![ours];
    seeds.extend(data_directories().iter().map(|dir| captured(dir, dat)));
    seeds
}

/// First files of each kind in a captured directory, under our own names.
fn captured(directory: &std::path::Path, dat: &[u8]) -> Vec<u8> {
    let mut seed = Vec::new();
    pack(0, dat, &mut seed);
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for (at, name) in NAMES.iter().enumerate().skip(1) {
        let (is_channel, ending) = (name.contains(':'), name.split_once('.').map_or("", |parts| parts.1));
        let fits = |path: &&std::path::PathBuf| {
            let there = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            there.contains(':') == is_channel && there.ends_with(ending)
        };
        if let Some(content) = paths.iter().find(fits).and_then(|path| std::fs::read(path).ok()) {
            pack(at as u8, &content[..content.len().min(2000)], &mut seed);
        }
    }
    seed
}

/// nutcracker.yml.
pub fn nutcracker_yml() -> Vec<Vec<u8>> {
    let mut seeds = own(&[
        b"alpha:\n  listen: 127.0.0.1:22121\n  hash: fnv1a_64\n  hash_tag: \"{}\"\n  distribution: ketama\n  timeout: 400\n  redis: true\n  servers:\n   - 127.0.0.1:6379:1 a\n   - 127.0.0.1:6380:1 b\n",
        b"a: &x {listen: /tmp/s 0777, servers: [127.0.0.1:1:1]}\nb: *x\n", b"a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", b"---\na:\n  b: |\n    c\n...\n",
    ]);
    seeds.extend(golden::under("nutcracker_config.jsonl", "conf"));
    seeds
}

/// nuthatch.toml.
pub fn native_toml() -> Vec<Vec<u8>> {
    let full = b"threads = 2\nmemory_budget = \"1GiB\"\n[log]\nlevel = \"info\"\n[pool.a]\nlisten = \"127.0.0.1:1\"\nprotocol = \"redis\"\nhash = \"murmur\"\ndistribution = \"modula\"\ntimeout = \"400ms\"\nservers = [\"127.0.0.1:6379:1 a\", \"127.0.0.1:6380:2 b\"]\n[queue]\ntcp_address = \"127.0.0.1:4150\"\n";
    let mut seeds = own(&[
        config::native::DEFAULT_FILE.as_bytes(),
        full,
        b"[pool.a]\nlisten = 1\nlisten = 2\n",
        b"[pool]\n",
        b"a = [[[[[[[[[[[[[[[[[[",
        b"[pool.\"\"]\nservers = []\n",
    ]);
    let options = config::options::all().iter().map(|option| format!("{} = ", option.name));
    seeds.push(options.collect::<Vec<_>>().join("1\n").into_bytes());
    seeds
}

/// nsqd's file: a key for each flag.
pub fn nsqd_file() -> Vec<Vec<u8>> {
    let mut seeds = own(&[b"tcp_address = \"0.0.0.0:4150\"\nmsg_timeout = \"60s\"\nmax_rdy_count = 2500\nnsqlookupd_tcp_addresses = [\"a:1\"]\ntls_required = 1\n", b"a b\n", b"[x]\n", b"id = 5.5\n"]);
    for value in ["1", "\"1s\"", "true", "[\"a\", \"b\"]", "0.5"] {
        let keys = config::nsqd::flags::FLAGS.iter().filter_map(|flag| flag.file_key());
        seeds.extend(keys.map(|key| format!("{key} = {value}\n").into_bytes()));
    }
    seeds
}

/// nsqd's command line.
pub fn nsqd_flags() -> Vec<Vec<u8>> {
    let mut seeds = own(&[b"--tcp-address=127.0.0.1:0\n-verbose\n--msg-timeout\n5s\n--e2e-processing-latency-percentile=0.5,0.9", b"--\n-x", b"--=\n-", b"-h"]);
    for value in ["1", "1s", "true", "a:1", "0.5", ""] {
        seeds.extend(
            config::nsqd::flags::FLAGS.iter().map(|flag| format!("--{}={value}", flag.name).into_bytes()),
        );
    }
    seeds
}
