//! Answers of which it matters that the client has taken all of them.
//!
//! That the last byte was handed to the connection is not enough: it may still lie in a buffer when the client goes. So
//! what is to happen waits in the connection's [`ResetFlag`] until the client asks for something else over it or closes
//! it in good order, and never happens where it breaks.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::socket::ResetFlag;

/// The same answer; `then` is called when the client has taken all of it.
pub fn watched(
    response: Response,
    connection: ResetFlag,
    then: impl FnOnce() + Send + 'static,
) -> Response {
    response.map(|body| {
        Body::new(Watched {
            body,
            connection,
            then: Some(Box::new(then)),
        })
    })
}

struct Watched {
    body: Body,
    connection: ResetFlag,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(Some(Err(_)))) {
            self.then = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(then) = self.then.take().filter(|_| self.body.is_end_stream()) {
            self.connection.when_taken(then);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt;

    use super::*;

    fn answer(flag: &ResetFlag) -> (Body, Arc<AtomicBool>) {
        let called = Arc::new(AtomicBool::new(false));
        let (seen, flag) = (called.clone(), flag.clone());
        let response = Response::new(Body::from("content"));
        let response = watched(response, flag, move || seen.store(true, Ordering::SeqCst));
        (response.into_body(), called)
    }

    #[tokio::test]
    async fn it_counts_when_the_connection_goes_on() {
        let flag = ResetFlag::default();
        let (body, called) = answer(&flag);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "content");
        assert!(
            !called.load(Ordering::SeqCst),
            "it may still lie in a buffer"
        );
        flag.taken();
        assert!(called.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn it_does_not_count_where_the_body_or_the_connection_breaks() {
        let flag = ResetFlag::default();
        let (body, called) = answer(&flag);
        drop(body);
        flag.taken();
        assert!(!called.load(Ordering::SeqCst), "nobody read it");
        let (body, called) = answer(&flag);
        body.collect().await.unwrap();
        flag.lost();
        flag.taken();
        assert!(!called.load(Ordering::SeqCst));
    }
}
