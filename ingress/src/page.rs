//! The pages, embedded: what a browser gets at `/`, `/web/...` and `/docs`.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};

use crate::problems;

mod files;

/// Pages run their own scripts and styles and talk to this server only.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Shows the page to browsers; programs that ask `/` for anything else learn where the API is
/// described.
pub async fn index(headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return show("index.html").unwrap_or_else(IntoResponse::into_response);
    }
    let text = "Usher. The API is described at /openapi.json, for people at /docs.\n";
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

pub async fn file(Path(path): Path<String>) -> Result<Response, Problem> {
    show(&path)
}

/// Shows the page that renders `/openapi.json`.
pub async fn docs() -> Response {
    respond("docs.html", files::DOCS.as_bytes())
}

pub async fn docs_script() -> Response {
    respond("docs.js", files::DOCS_SCRIPT.as_bytes())
}

fn show(path: &str) -> Result<Response, Problem> {
    let found = files::FILES.iter().find(|(name, _)| *name == path);
    let (_, content) = found.ok_or_else(problems::not_found)?;
    Ok(respond(path, content))
}

fn respond(path: &str, content: &'static [u8]) -> Response {
    // The files change with the binary: ask each time, some milliseconds on a page's first load.
    let headers = [
        (CONTENT_TYPE, content_type(path)),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, content).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
