//! `/pools`, `/pools/POOL`: the pools of the process, as its pages have them. The queue knows nothing of them
//! and passes them on, because this address is what a fleet knows of a process.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::Api;
use ::http::{Asked, HttpRefusal, answer};

impl Api {
    pub(super) async fn pools(&self) -> Result<Response<Body>, HttpRefusal> {
        let surroundings = self.surroundings.as_ref().ok_or(HttpRefusal::missing("NOT_FOUND"))?;
        let pools = surroundings.pools().await.ok_or(HttpRefusal::missing("NOT_FOUND"))?;
        Ok(answer::with_type(StatusCode::OK, answer::JSON, pools))
    }

    pub(super) async fn pool(&self, asked: Asked) -> Result<Response<Body>, HttpRefusal> {
        let surroundings = self.surroundings.as_ref().ok_or(HttpRefusal::missing("NOT_FOUND"))?;
        let query = asked.query()?;
        let pool = surroundings.pool(asked.word(), query.text("server")).await;
        let pool = pool.ok_or(HttpRefusal::missing("NOT_FOUND"))?;
        Ok(answer::with_type(StatusCode::OK, answer::JSON, pool))
    }
}
