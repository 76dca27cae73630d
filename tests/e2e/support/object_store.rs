//! As much of S3 as Ansible needs: one bucket, kept in memory.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Bytes;

use super::{endpoint::REGION, http_server::HttpServer};

/// A bucket that takes objects from whoever asks, and gives them back.
pub struct ObjectStore {
    server: HttpServer,
}

impl ObjectStore {
    pub fn start() -> Self {
        let objects = Mutex::new(BTreeMap::new());
        let server = HttpServer::start(move |request| {
            let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&mut objects, request)
        });
        Self { server }
    }

    pub fn url(&self) -> &str {
        &self.server.url
    }
}

fn answer(objects: &mut BTreeMap<String, Bytes>, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path().to_owned();
    let (status, body) = match *request.method() {
        Method::HEAD if path == format!("/{BUCKET}") => (StatusCode::OK, Bytes::new()),
        Method::PUT => {
            objects.insert(path, request.into_body());
            (StatusCode::OK, Bytes::new())
        }
        Method::GET | Method::HEAD => match objects.get(&path) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => (StatusCode::NOT_FOUND, Bytes::new()),
        },
        Method::DELETE => {
            objects.remove(&path);
            (StatusCode::NO_CONTENT, Bytes::new())
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, Bytes::new()),
    };
    let response = Response::builder().status(status).header("x-amz-bucket-region", REGION);
    response.header("ETag", "\"0\"").body(body).expect("a response")
}

pub const BUCKET: &str = "transfer";
