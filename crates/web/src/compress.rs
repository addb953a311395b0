//! gzip and deflate for clients that accept it, as nsqadmin does; small answers stay uncompressed.

use std::io::{self, Write};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::middleware::{Next, from_fn};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use http_body_util::BodyExt;

/// Size below which answers are not compressed, bytes.
const SMALLEST: u64 = 512;
/// Size above which answers are compressed on a separate thread, bytes.
const LARGE: usize = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// Compresses the answers of a service.
pub(crate) fn layer(router: Router) -> Router {
    router.layer(from_fn(|request: Request, next: Next| async move {
        let coding = wanted(request.headers());
        let answer = next.run(request).await;
        match coding {
            Some(coding) => compressed(answer, coding).await,
            None => answer,
        }
    }))
}

/// First supported coding that the client accepts.
fn wanted(headers: &HeaderMap) -> Option<Coding> {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    let mut codings = lists.flat_map(|list| list.split(','));
    codings.find_map(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        let none =
            quality.trim().strip_prefix("q=").is_some_and(|q| q.trim().trim_matches(['0', '.']).is_empty());
        match name.trim() {
            _ if none => None,
            "gzip" => Some(Coding::Gzip),
            "deflate" => Some(Coding::Deflate),
            _ => None,
        }
    })
}

async fn compressed(answer: Response<Body>, coding: Coding) -> Response<Body> {
    use axum::body::HttpBody;
    let small = answer.body().size_hint().exact().is_none_or(|bytes| bytes < SMALLEST);
    if small || answer.headers().contains_key(CONTENT_ENCODING) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    // The body is in memory already.
    let Ok(body) = body.collect().await else { return Response::from_parts(parts, Body::empty()) };
    let body = body.to_bytes();
    let packed = if body.len() > LARGE {
        let body = body.clone();
        tokio::task::spawn_blocking(move || pack(&body, coding))
            .await
            .unwrap_or_else(|gone| Err(io::Error::other(gone)))
    } else {
        pack(&body, coding)
    };
    let Ok(packed) = packed else { return Response::from_parts(parts, Body::from(body)) };
    let name = match coding {
        Coding::Gzip => "gzip",
        Coding::Deflate => "deflate",
    };
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    parts.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(packed))
}

fn pack(body: &Bytes, coding: Coding) -> io::Result<Vec<u8>> {
    let out = Vec::with_capacity(body.len() / 4 + 64);
    match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
        Coding::Deflate => {
            let mut encoder = DeflateEncoder::new(out, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_clients_take() {
        for (header, coding) in [
            ("gzip, deflate, br", Some(Coding::Gzip)),
            ("deflate", Some(Coding::Deflate)),
            ("br;q=1.0, gzip;q=0.8", Some(Coding::Gzip)),
            ("gzip;q=0, deflate", Some(Coding::Deflate)),
            ("gzip;q=0.0", None),
            ("identity", None),
            ("", None),
            ("*", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, header.parse().unwrap());
            assert_eq!(wanted(&headers), coding, "{header}");
        }
        assert_eq!(wanted(&HeaderMap::new()), None);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn large_and_small_answers() {
        for (bytes, packed) in [(10, false), (1000, true), (200_000, true)] {
            let answer = compressed(Response::new(Body::from("x".repeat(bytes))), Coding::Gzip).await;
            assert_eq!(answer.headers().contains_key(CONTENT_ENCODING), packed, "{bytes}");
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let mut text = String::new();
            if packed {
                flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(body.to_vec()).unwrap();
            }
            assert_eq!(text, "x".repeat(bytes));
        }
    }
}
