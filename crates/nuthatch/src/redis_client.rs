//! The control thread's Redis client: one connection, a few questions at a time, a deadline on everything.
//!
//! It is for servers that say something about themselves (Sentinels, nodes); no request of a client comes
//! here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use config::Secret;
use config::checked::{Pool, Target};
use net::tls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wire::redis::{ReplyLimits, ReplyScan, ReplyScanner, encode};

use crate::server_stream::{self, ServerTls, Stream};

/// Most bytes of one answer.
const ANSWER_MAX: usize = 4 << 20;
/// Bytes read at a time.
const READ: usize = 16 << 10;

/// Beginning of the error for a refused login.
pub const LOGIN_REFUSED: &str = "login refused";

/// Login of a connection.
#[derive(Clone, Default, PartialEq)]
pub struct Login {
    /// User; None for the default user.
    pub user: Option<String>,
    /// Password; None if none is given.
    pub password: Option<Secret>,
    /// TLS; None for plain text.
    pub tls: Option<ServerTls>,
}

impl Login {
    /// The login of a pool's servers; `tls` is that towards them.
    pub fn of_servers(pool: &Pool, tls: Option<Arc<ClientConfig>>) -> Login {
        let name = pool.server_tls.as_ref().and_then(|tls| tls.server_name.clone());
        let tls = tls.map(|config| ServerTls { config, name });
        Login { user: None, password: pool.auth.clone(), tls }
    }

    /// The login of a pool's Sentinels; `tls` is that towards them.
    pub fn of_sentinels(pool: &Pool, tls: Option<Arc<ClientConfig>>) -> Login {
        let sentinels = &pool.discovery.sentinels;
        let name = sentinels.tls.as_ref().and_then(|tls| tls.server_name.clone());
        let tls = tls.map(|config| ServerTls { config, name });
        Login { user: sentinels.user.clone(), password: sentinels.password.clone(), tls }
    }
}

/// A connection. After an error it is of no more use.
pub struct RedisClient {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl fmt::Debug for RedisClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedisClient")
    }
}

impl RedisClient {
    /// Connects and logs in. The name is resolved anew.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn connect(target: &Target, login: &Login, patience: Duration) -> Result<RedisClient, String> {
        let connecting = server_stream::open(target, login.tls.as_ref());
        let stream = timeout(patience, connecting).await.map_err(|_| "timed out".to_owned())??;
        let mut client = RedisClient { stream, buffer: Vec::new() };
        if let Some(password) = &login.password {
            let user = login.user.as_deref();
            let mut auth = vec!["AUTH"];
            auth.extend(user);
            auth.push(password.reveal());
            let answers = client.ask(&[&auth], patience).await?;
            let answer = answers.first().map_or(&b""[..], Vec::as_slice);
            let says = |words: &str| memchr::memmem::find(answer, words.as_bytes()).is_some();
            let unneeded = says("without any password configured") || says("no password is set");
            if answer.starts_with(b"-") && !unneeded {
                return Err(format!("{LOGIN_REFUSED}: {}", String::from_utf8_lossy(answer.trim_ascii())));
            }
        }
        Ok(client)
    }

    /// Sends requests in one write and waits for all answers.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn ask(&mut self, requests: &[&[&str]], patience: Duration) -> Result<Vec<Vec<u8>>, String> {
        let asking = async {
            self.send(requests).await?;
            let mut answers = Vec::with_capacity(requests.len());
            for _ in requests {
                answers.push(self.next().await?);
            }
            Ok(answers)
        };
        timeout(patience, asking).await.map_err(|_| "no answer in time".to_owned())?
    }

    /// Sends requests in one write.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn send(&mut self, requests: &[&[&str]]) -> Result<(), String> {
        let mut bytes = Vec::new();
        for request in requests {
            encode::array(&mut bytes, request.len());
            for word in *request {
                encode::bulk(&mut bytes, word.as_bytes());
            }
        }
        self.stream.write_all(&bytes).await.map_err(|error| error.to_string())?;
        self.stream.flush().await.map_err(|error| error.to_string())
    }

    /// Waits for the next answer or message. Can be called off and called again.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn next(&mut self) -> Result<Vec<u8>, String> {
        self.next_within(ANSWER_MAX).await
    }

    /// As [`RedisClient::next`], for an answer of at most so many bytes.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub async fn next_within(&mut self, bytes_max: usize) -> Result<Vec<u8>, String> {
        loop {
            match ReplyScanner::new().scan(&self.buffer, &ReplyLimits::DEFAULT) {
                ReplyScan::Done(reply) => {
                    let rest = self.buffer.split_off(reply.len());
                    return Ok(std::mem::replace(&mut self.buffer, rest));
                }
                ReplyScan::Bad(_) => return Err("it answered something that is no reply".into()),
                ReplyScan::NeedMore { .. } if self.buffer.len() > bytes_max => {
                    return Err(format!("its answer is longer than {bytes_max} bytes"));
                }
                ReplyScan::NeedMore { .. } => {}
            }
            self.buffer.reserve(READ);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err("it closed the connection".into()),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}
