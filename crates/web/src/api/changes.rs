//! Changes: authorization, the change itself, notification.

use axum::body::Body;
use axum::http::Response;
use http::{Asked, HttpRefusal, Link, ManualChange};
use telemetry::info;
use wire::nsq::valid_name;

use super::{Api, Warnings, done, word};
use crate::acl;
use crate::fleet::{Change, Told, Unavailable};
use crate::notify::Notice;
use crate::request::{Fields, Sender};

type Answer = Result<Response<Body>, HttpRefusal>;

impl Api {
    pub(crate) async fn create(&self, asked: Asked) -> Answer {
        let (sender, body, link) = self.admit(asked)?;
        let fields = self.fields(&sender, &link, body).await?;
        let channel = Some(fields.text("channel")?).filter(|channel| !channel.is_empty());
        let change = create(&fields.text("topic")?, channel.as_deref())?;
        self.finish(change, &sender).await
    }

    pub(crate) async fn act(&self, asked: Asked) -> Answer {
        let (topic, channel) = (word(&asked, 0).to_owned(), asked.words.get(1).cloned());
        let (sender, body, link) = self.admit(asked)?;
        let fields = self.fields(&sender, &link, body).await?;
        let change = action(&fields.text("action")?, topic, channel)?;
        self.finish(change, &sender).await
    }

    pub(crate) async fn delete(&self, asked: Asked) -> Answer {
        let change = Change::Delete(word(&asked, 0).to_owned(), asked.words.get(1).cloned());
        let (sender, ..) = self.admit(asked)?;
        self.finish(change, &sender).await
    }

    pub(crate) async fn tombstone(&self, asked: Asked) -> Answer {
        let node = word(&asked, 0).to_owned();
        let (sender, body, link) = self.admit(asked)?;
        let fields = self.fields(&sender, &link, body).await.and_then(|fields| fields.text("topic"));
        let change = tombstone(&fields.map_err(|_| HttpRefusal::bad("INVALID_BODY"))?, node)?;
        self.finish(change, &sender).await
    }

    /// Checks the authorization of a change, and splits its request.
    pub(crate) fn admit(&self, asked: Asked) -> Result<(Sender, Body, Link), HttpRefusal> {
        acl::admit(&self.settings, &asked.headers)?;
        Ok((Sender::of(&asked), asked.body, asked.link))
    }

    async fn fields(&self, sender: &Sender, link: &Link, body: Body) -> Result<Fields, HttpRefusal> {
        Fields::read(&self.budget, link.host(), &sender.headers, body).await
    }

    async fn finish(&self, change: Change, sender: &Sender) -> Answer {
        let (_, warnings) = self.change(change, sender).await?;
        Ok(done(&warnings))
    }

    /// Makes a change and sends its notification. The result is what each daemon answered.
    pub(crate) async fn change(
        &self,
        change: Change,
        sender: &Sender,
    ) -> Result<(Vec<Told>, Warnings), Unavailable> {
        let mut warnings = Warnings::default();
        let made = warnings.take(self.fleet().change(change.clone()).await);
        // nsqadmin announces these even if no daemon answered.
        let told_anyway = matches!(change, Change::Pause(..) | Change::Unpause(..) | Change::Empty(..));
        if made.is_ok() || told_anyway {
            self.tell(&change, sender);
        }
        self.forget_overview().await;
        made.map(|told| (told, warnings))
    }

    fn tell(&self, change: &Change, sender: &Sender) {
        let (topic, channel, node) =
            (change.topic(), change.channel().unwrap_or_default(), change.node().unwrap_or_default());
        let user = sender.shown_user(&self.settings.acl_header);
        let details = change.details();
        for action in change.actions() {
            match &details {
                Some(what) => info!(what, node, user, remote = sender.remote, "{action}"),
                None => info!(topic, channel, node, user, remote = sender.remote, "{action}"),
            }
            if let Some(host) = &self.site.host {
                host.record(ManualChange {
                    subject: ManualChange::subject_of(topic, Some(channel).filter(|name| !name.is_empty())),
                    text: action.replace('_', " "),
                    user: user.clone(),
                    from: sender.host().to_owned(),
                });
            }
            if let Some(notifier) = &self.notifier {
                let channel = if action == "create_topic" { "" } else { channel };
                let notice = Notice::new(action, [topic, channel, node], sender, &self.hostname);
                notifier.tell(notice.with_details(details.clone()));
            }
        }
    }
}

/// The creation of a topic, and of a channel if one is named.
pub(crate) fn create(topic: &str, channel: Option<&str>) -> Result<Change, HttpRefusal> {
    valid_name(topic.as_bytes()).ok_or(HttpRefusal::bad("INVALID_TOPIC"))?;
    if let Some(channel) = channel {
        valid_name(channel.as_bytes()).ok_or(HttpRefusal::bad("INVALID_CHANNEL"))?;
    }
    Ok(Change::Create(topic.to_owned(), channel.map(str::to_owned)))
}

/// Change named by an `action` of the API.
pub(crate) fn action(word: &str, topic: String, channel: Option<String>) -> Result<Change, HttpRefusal> {
    match word {
        "pause" => Ok(Change::Pause(topic, channel)),
        "unpause" => Ok(Change::Unpause(topic, channel)),
        "empty" => Ok(Change::Empty(topic, channel)),
        _ => Err(HttpRefusal::bad("INVALID_ACTION")),
    }
}

/// The removal of a topic from one queue.
pub(crate) fn tombstone(topic: &str, node: String) -> Result<Change, HttpRefusal> {
    valid_name(topic.as_bytes()).ok_or(HttpRefusal::bad("INVALID_TOPIC"))?;
    Ok(Change::Tombstone(topic.to_owned(), node))
}
