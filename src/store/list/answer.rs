//! The SDK sends what asks for a page, repeats it, and knows of errors; what a good answer says is read here
//! ([`Listed`]), on its way to the SDK, which is given an empty listing then. Whatever is not understood it gets as it
//! came.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::document::Listed;

/// What the SDK is given to read in the place of what was read already.
const NOTHING: &[u8] = b"<ListBucketResult/>";

/// Where the answer to one request is laid down. Clones are the same place.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer(Arc<Mutex<Option<Listed>>>);

impl Answer {
    /// What the answer said, if it was understood.
    pub(super) fn take(&self) -> Option<Listed> {
        self.put(None)
    }

    fn put(&self, listed: Option<Listed>) -> Option<Listed> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *place, listed)
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        if response.status().is_success() {
            let body = std::mem::replace(response.body_mut(), SdkBody::taken());
            *response.body_mut() = SdkBody::from_body_1_x(Reading {
                body,
                came: Some(BytesMut::new()),
                answer: self.clone(),
            });
        }
        Ok(())
    }
}

/// A body that is read when all of it has come.
struct Reading {
    body: SdkBody,
    /// What has come; `None` once it was passed on.
    came: Option<BytesMut>,
    answer: Answer,
}

impl Body for Reading {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx)?);
            let Some(came) = &mut this.came else {
                return Poll::Ready(None);
            };
            if let Some(frame) = frame {
                came.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                continue;
            }
            let listed = Listed::read(came);
            let rest = match &listed {
                Some(_) => Bytes::from_static(NOTHING),
                None => std::mem::take(came).freeze(),
            };
            this.answer.put(listed);
            this.came = None;
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn passed(document: &'static str) -> (String, Option<Listed>) {
        let answer = Answer::default();
        let reading = Reading {
            body: SdkBody::from(document),
            came: Some(BytesMut::new()),
            answer: answer.clone(),
        };
        let body = SdkBody::from_body_1_x(reading).collect().await.unwrap();
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        (text, answer.take())
    }

    #[tokio::test]
    async fn what_is_understood_is_kept_from_the_sdk() {
        let (left, listed) =
            passed("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").await;
        assert_eq!(left.as_bytes(), NOTHING);
        assert_eq!(listed, Some(Listed::default()));
    }

    #[tokio::test]
    async fn what_is_not_is_passed_on_as_it_came() {
        for strange in [
            "",
            "<Error><Code>SlowDown</Code></Error>",
            "<ListBucketResult>",
        ] {
            assert_eq!(passed(strange).await, (strange.to_owned(), None));
        }
    }
}
