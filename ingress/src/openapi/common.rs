//! What all operations have in common, added in one place: who may call, and the problems that the
//! listener, the limits and the extractors answer before a handler runs.

use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder, Parameter, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response, ResponseBuilder, Schema};

const PROBLEM: &str = "Problem";
const PROBLEM_TYPE: &str = "application/problem+json";

/// Adds the security schemes, the problem's schema, the health of the process, and to each
/// operation the problems that it has in common with others.
pub fn complete(document: &mut OpenApi) {
    describe_health(document);
    let components = document.components.get_or_insert_default();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    components.add_security_scheme("bearer", bearer);
    let how = "`ApiKey <key>`: a partner's key from `POST /api/partners/keys`";
    let api_key = ApiKey::Header(ApiKeyValue::with_description("Authorization", how));
    components.add_security_scheme("apiKey", SecurityScheme::ApiKey(api_key));
    components.schemas.insert(PROBLEM.to_owned(), problem().into());
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            add_problems(path, operation);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// The members of `chassis::Problem`; a code may have more.
fn problem() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let object = ObjectBuilder::new()
        .description(Some("RFC 9457. Codes with more members name them, as SEAT_TAKEN `seatIds`."))
        .property("type", text().description(Some("`urn:usher:problem:` and the code")))
        .property("title", text())
        .property("status", ObjectBuilder::new().schema_type(Type::Integer))
        .property("code", text().description(Some("Stable: what programs decide by")))
        .property("detail", text().description(Some("What happened this time, for people")))
        .property(
            "retryable",
            ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .description(Some("Whether the same request may succeed when it is sent again")),
        )
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)));
    let members = ["type", "title", "status", "code", "detail", "retryable"];
    let object = members.into_iter().fold(object, ObjectBuilder::required);
    object.build().into()
}

fn add_problems(path: &str, operation: &mut Operation) {
    let is_health = operation.tags.iter().flatten().any(|tag| tag == "health");
    let mut common: Vec<(&str, &str)> = Vec::new();
    if !is_health {
        common.push(("429", "RATE_LIMITED: wait for Retry-After"));
        common.push((
            "503",
            "Something behind it does not answer, or this place is full: TIMEOUT, \
            STORE_UNAVAILABLE and others. `retryable` says whether a repeat is safe",
        ));
    }
    if operation.security.as_ref().is_some_and(|security| !security.is_empty()) {
        common.push(("401", "LOGIN_REQUIRED"));
        let of_roles = ["/api/partners/", "/api/admin/", "/api/checkin"];
        if of_roles.iter().any(|start| path.starts_with(start)) {
            common.push(("403", "ROLE_REQUIRED"));
        }
    }
    if operation.request_body.is_some() {
        common.push(("400", "JSON_INVALID, REQUEST_UNREADABLE"));
        common.push(("413", "BODY_TOO_LARGE"));
        common.push(("415", "MEDIA_TYPE_UNSUPPORTED"));
        common.push(("422", "REQUEST_INVALID"));
    } else if operation.parameters.as_ref().is_some_and(|all| !all.is_empty()) {
        common.push(("400", "QUERY_INVALID, REQUEST_UNREADABLE"));
    }
    let names_key = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.name == "Idempotency-Key",
        RefOr::Ref(_) => false,
    };
    if operation.parameters.iter().flatten().any(names_key) {
        common.push(("400", "IDEMPOTENCY_KEY_INVALID"));
        common.push(("409", "IDEMPOTENCY_IN_FLIGHT: wait for its answer"));
        common.push(("422", "IDEMPOTENCY_MISMATCH: use a new key"));
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        let own = || RefOr::T(Response::new(description));
        responses.entry(status.to_owned()).or_insert_with(own);
    }
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else { continue };
        if (status.starts_with('4') || status.starts_with('5')) && response.content.is_empty() {
            let schema = Ref::from_schema_name(PROBLEM);
            response.content.insert(PROBLEM_TYPE.to_owned(), Content::new(Some(schema)).into());
        }
    }
}

/// The routes that `chassis::Health` adds to every listener.
fn describe_health(document: &mut OpenApi) {
    let plain = |description: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let content = Content::new(Some(Schema::from(text)));
        ResponseBuilder::new().description(description).content("text/plain", content)
    };
    let alive = OperationBuilder::new()
        .tag("health")
        .summary(Some("Says that the process lives."))
        .response("200", plain("`ok`"));
    let ready = OperationBuilder::new()
        .tag("health")
        .summary(Some("Says whether the process can serve."))
        .response("200", plain("`ready`"))
        .response(
            "503",
            Response::new("NOT_READY: `missing` names each component that cannot serve"),
        );
    for (path, operation) in [("/healthz", alive), ("/readyz", ready)] {
        let item = PathItem::new(HttpMethod::Get, operation);
        document.paths.paths.insert(path.to_owned(), item);
    }
}
