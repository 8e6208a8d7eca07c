//! A page that was fetched, or is as it was: kept, and followed where it leads.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};
use model::Timestamp;

use super::{A_WHILE, Crawl, Task, text};
use crate::capture::CaptureError;
use crate::capture::build::Added;
use crate::capture::digest::{self, Followed, Kept};
use crate::capture::fetch::{self, Content};
use crate::capture::frontier::Origin;
use crate::capture::policy::{self, Form};
use crate::wire::Kind;
use crate::wire::address::{Address, Leads};

impl Crawl<'_> {
    pub(super) async fn keep(
        &mut self,
        task: &Task,
        status: StatusCode,
        headers: &HeaderMap,
        content: Content,
    ) -> Result<(), CaptureError> {
        let content_type = text(headers, "content-type").unwrap_or_default();
        let (kept, followed) = self.digest(&task.address, content_type, content).await?;
        let linked = self.linked(task);
        let page = Added {
            address: &task.address,
            status: status.as_u16(),
            kept,
            captured: self.host.clock.now().wall,
            linked,
        };
        let lines = headers.iter().map(|(name, value)| {
            // A byte of a value becomes a character, so that any byte comes back.
            let value = value.as_bytes().iter().copied().map(char::from).collect();
            (name.as_str(), value)
        });
        self.builder.add(&page, lines);
        if let Some((location, base)) = text(headers, "location").as_deref().zip(task.address.url())
            && let Leads::Inside(address) = self.scope.resolve(&base, location)
        {
            self.offer(address, Origin::Link(Kind::Page), Some(task));
        }
        self.lead_on(task, followed).await;
        Ok(())
    }

    /// Keeps the body and reads its links, beside the runtime.
    async fn digest(
        &self,
        address: &Address,
        content_type: String,
        content: Content,
    ) -> Result<(Kept, Followed), CaptureError> {
        let (blobs, scope) = (self.host.store.blobs().clone(), Arc::clone(&self.scope));
        let previous = Arc::clone(&self.previous);
        let (address, is_sitemap) = (address.clone(), self.sitemaps.contains(address));
        let body = match &content {
            Content::Memory(bytes) => store::BlobId::of(bytes),
            Content::Blob { id, .. } => *id,
        };
        let here = self.builder.coded(&body);
        let digesting = self.host.tasks.blocking("site reading", move || {
            let form = policy::form(&content_type);
            let before = |id: &store::BlobId| here.or_else(|| previous.coded().get(id).copied());
            let kept = digest::keep(&blobs, &content, form, before)?;
            let head = match &content {
                Content::Memory(bytes) => bytes,
                Content::Blob { head, .. } => head,
            };
            let followed = digest::follow(&scope, &address, &content_type, head, is_sitemap);
            Ok((kept, followed))
        });
        digesting.await?
    }

    /// Takes a page over from the last generation, and follows its links as before.
    pub(super) async fn reuse(
        &mut self,
        task: &Task,
        captured: Timestamp,
    ) -> Result<(), CaptureError> {
        let linked = self.linked(task);
        let previous = Arc::clone(&self.previous);
        let Some(page) = previous.page(&task.address) else {
            return Ok(());
        };
        self.builder
            .carry(&task.address, &previous, captured, linked);
        let content_type = previous.header(page, "content-type").unwrap_or_default();
        let is_sitemap = self.sitemaps.contains(&task.address);
        let leads = !matches!(policy::form(content_type), Form::Text | Form::Binary);
        if !leads && !is_sitemap {
            return Ok(());
        }
        let bytes = self.head_of(page.body.0).await?;
        let scope = Arc::clone(&self.scope);
        let (address, content_type) = (task.address.clone(), content_type.to_owned());
        let following = self.host.tasks.blocking("site reading", move || {
            digest::follow(&scope, &address, &content_type, &bytes, is_sitemap)
        });
        let followed = following.await?;
        self.lead_on(task, followed).await;
        Ok(())
    }

    pub(super) async fn head_of(&self, id: store::BlobId) -> Result<Vec<u8>, CaptureError> {
        let blobs = self.host.store.blobs().clone();
        let reading = self.host.tasks.blocking("site reading", move || {
            let blob = blobs.open(&id)?;
            let length = usize::try_from(blob.len()).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length.min(fetch::IN_MEMORY)];
            let read = blob.read_at(0, &mut bytes)?;
            bytes.truncate(read);
            Ok(bytes)
        });
        reading.await?
    }

    async fn lead_on(&mut self, task: &Task, followed: Followed) {
        if self.holds_links {
            return;
        }
        let listed = self.sitemaps.contains(&task.address);
        for sitemap in followed.sitemaps {
            self.offer_sitemap(sitemap);
        }
        for (count, (address, kind)) in followed.pages.into_iter().enumerate() {
            if count % A_WHILE == A_WHILE - 1 {
                tokio::task::yield_now().await;
            }
            let origin = if listed {
                Origin::Sitemap
            } else {
                Origin::Link(kind)
            };
            self.offer(address, origin, if listed { None } else { Some(task) });
        }
    }
}
