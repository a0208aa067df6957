//! What the API is, as an OpenAPI 3.1 document: served at `/api/v1/openapi.json`, kept as
//! `docs/openapi.json`.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::Api;
use super::account::PASSWORD_MAX;
use super::request::PAGE_MAX;
use crate::display_name;

/// The route of the document.
pub(super) fn router() -> Router<Api> {
    Router::new().route("/openapi.json", get(async || Json(document())))
}

/// One operation.
struct Operation {
    path: &'static str,
    method: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Needs no API key.
    open: bool,
    /// Schema of the body; empty when there is none.
    body: &'static str,
    /// Status and schema of success; empty when it has no body.
    success: (u16, &'static str),
    /// Statuses and codes of refusals, besides those that every operation has.
    refusals: &'static [(u16, &'static str)],
}

const OPERATIONS: [Operation; 6] = [
    Operation {
        path: "/users",
        method: "post",
        id: "createUser",
        summary: "Make a user who can log in over SIP with a password.",
        open: false,
        body: "NewUser",
        success: (201, "User"),
        refusals: &[
            (409, "user-exists, too-many-users"),
            (
                422,
                "invalid-body, invalid-username, invalid-display-name, invalid-password",
            ),
        ],
    },
    Operation {
        path: "/users",
        method: "get",
        id: "listUsers",
        summary: "Users and guests by name.",
        open: false,
        body: "",
        success: (200, "UserList"),
        refusals: &[(422, "invalid-query")],
    },
    Operation {
        path: "/users/{name}",
        method: "get",
        id: "readUser",
        summary: "One user or guest.",
        open: false,
        body: "",
        success: (200, "User"),
        refusals: &[(404, "no-such-user")],
    },
    Operation {
        path: "/users/{name}",
        method: "delete",
        id: "deleteUser",
        summary: "Remove a user or guest. Logins with its password or token end.",
        open: false,
        body: "",
        success: (204, ""),
        refusals: &[(404, "no-such-user")],
    },
    Operation {
        path: "/rooms",
        method: "get",
        id: "listRooms",
        summary: "Rooms that guests have joined, by id.",
        open: false,
        body: "",
        success: (200, "RoomList"),
        refusals: &[(422, "invalid-query")],
    },
    Operation {
        path: "/rooms/{id}/join",
        method: "post",
        id: "joinRoom",
        summary: "Become a guest of a room: a user, a token and where to connect. The room's id is \
                  the invitation.",
        open: true,
        body: "Join",
        success: (201, "Admission"),
        refusals: &[
            (400, "invalid-host"),
            (422, "invalid-body, invalid-room, invalid-display-name"),
            (429, "too-many-joins"),
            (503, "draining, too-many-guests"),
        ],
    },
];

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for operation in &OPERATIONS {
        let path = paths
            .entry(operation.path)
            .or_insert_with(|| described_path(operation.path));
        path[operation.method] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "talkpath",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Users and guests. Bodies are JSON, at most 64 KiB.",
        },
        "servers": [{"url": super::PREFIX}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas(),
        },
    })
}

/// The parameters that every operation of a path has.
fn described_path(path: &str) -> Value {
    let name = path.split(['{', '}']).nth(1);
    let schema = match name {
        Some("id") => reference("RoomId"),
        _ => json!({"type": "string"}),
    };
    match name {
        Some(name) => json!({"parameters": [
            {"name": name, "in": "path", "required": true, "schema": schema},
        ]}),
        None => json!({}),
    }
}

fn described(operation: &Operation) -> Value {
    let mut value = json!({"operationId": operation.id, "summary": operation.summary});
    if operation.open {
        value["security"] = json!([]);
    }
    if operation.success.1.ends_with("List") {
        value["parameters"] = json!([
            {"name": "after", "in": "query", "schema": {"type": "string"},
             "description": "`next` of the page before."},
            {"name": "limit", "in": "query",
             "schema": {"type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": 100}},
        ]);
    }
    let mut responses = Map::new();
    let (status, schema) = operation.success;
    let mut success = json!({"description": "Done."});
    if !schema.is_empty() {
        success["content"] = content(schema);
    }
    responses.insert(status.to_string(), success);
    let mut refusals = operation.refusals.to_vec();
    if !operation.body.is_empty() {
        value["requestBody"] = json!({"required": true, "content": content(operation.body)});
        refusals.extend([
            (400, "invalid-json"),
            (408, "body-timeout"),
            (413, "body-too-large"),
            (415, "unsupported-media-type"),
        ]);
    }
    if !operation.open {
        refusals.extend([
            (401, "api-key-missing, wrong-api-key"),
            (429, "too-many-failures"),
        ]);
    }
    if operation.method != "get" {
        refusals.push((503, "engine-busy"));
    }
    refusals.push((503, "store-unavailable"));
    refusals.push((500, "internal"));
    // Statuses with several causes come together.
    refusals.sort_by_key(|(status, _)| *status);
    for chunk in refusals.chunk_by(|a, b| a.0 == b.0) {
        let codes: Vec<&str> = chunk.iter().map(|(_, codes)| *codes).collect();
        let status = chunk.first().map_or(0, |(status, _)| *status);
        let refusal = json!({"description": codes.join(", "), "content": content("Error")});
        responses.insert(status.to_string(), refusal);
    }
    value["responses"] = Value::Object(responses);
    value
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": reference(schema)}})
}

// tidy: table
fn schemas() -> Value {
    let time = json!({"type": "string", "format": "date-time"});
    let list = |name: &str, of: &str| {
        json!({"type": "object", "required": [name, "next"], "properties": {
            name: {"type": "array", "items": reference(of)},
            "next": {"type": ["string", "null"], "description": "`after` of the next page."},
        }})
    };
    json!({
        "Username": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{2,49}$"},
        "DisplayName": {"type": "string", "minLength": 1, "maxLength": display_name::CHARS_MAX,
            "description": "Not only spaces; no control characters."},
        "RoomId": {"type": "string", "pattern": "^[A-Za-z0-9]{3,64}$"},
        "NewUser": {
            "type": "object",
            "required": ["username", "password", "displayName"],
            "additionalProperties": false,
            "properties": {
                "username": {"allOf": [reference("Username")],
                    "description": "Not one that begins with guest-."},
                "password": {"type": "string", "minLength": 8, "maxLength": PASSWORD_MAX,
                    "description": "With an upper-case and a lower-case letter, a digit and a \
                                    special character."},
                "displayName": reference("DisplayName"),
            },
        },
        "User": {
            "type": "object",
            "required": ["username", "displayName", "guest", "room", "createdAt", "expiresAt"],
            "properties": {
                "username": reference("Username"),
                "displayName": reference("DisplayName"),
                "guest": {"type": "boolean"},
                "room": {"type": ["string", "null"], "description": "Of a guest."},
                "createdAt": time,
                "expiresAt": {"type": ["string", "null"], "format": "date-time",
                    "description": "When a guest is removed."},
            },
        },
        "UserList": list("users", "User"),
        "Room": {
            "type": "object",
            "required": ["id", "guests", "createdAt"],
            "properties": {
                "id": reference("RoomId"),
                "guests": {"type": "integer", "minimum": 0},
                "createdAt": time,
            },
        },
        "RoomList": list("rooms", "Room"),
        "Join": {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
                "name": reference("DisplayName"),
                "token": {"type": ["string", "null"],
                    "description": "Of an earlier join of the same room. While its guest exists \
                                    the guest goes on, even when the token has expired; otherwise \
                                    a new guest is made."},
            },
        },
        "Admission": {
            "type": "object",
            "required": ["username", "displayName", "token", "websocketUrl", "domain", "room",
                "phoneNumber", "pin", "iceServers", "expiresAt", "rejoined"],
            "properties": {
                "username": reference("Username"),
                "displayName": reference("DisplayName"),
                "token": {"type": "string", "description": "The password of SIP digest."},
                "websocketUrl": {"type": "string", "format": "uri",
                    "description": "Logs in by itself: it holds the token."},
                "domain": {"type": "string", "description": "The domain of SIP addresses."},
                "room": reference("RoomId"),
                "phoneNumber": {"type": ["string", "null"],
                    "description": "What telephones dial."},
                "pin": {"type": ["string", "null"],
                    "description": "What telephones key in, when the room has 3 to 12 digits."},
                "iceServers": {"type": "array", "items": {
                    "type": "object", "required": ["urls"], "properties": {
                        "urls": {"type": "array", "items": {"type": "string"}},
                        "username": {"type": "string"},
                        "credential": {"type": "string"},
                    },
                }},
                "expiresAt": {"type": "string", "format": "date-time",
                    "description": "When the token expires."},
                "rejoined": {"type": "boolean",
                    "description": "The guest of the token that was sent goes on."},
            },
        },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {
                "type": "object",
                "required": ["code", "message", "requestId"],
                "properties": {
                    "code": {"type": "string", "description": "Stable, kebab-case."},
                    "message": {"type": "string", "description": "A sentence for people."},
                    "requestId": {"type": "string", "description": "As in the log."},
                },
            }},
        },
    })
}
