//! Requests and responses as values: method, URI, headers, body. Reading and writing them is
//! [`wire`](super::wire)'s. RFC 3261 §7.

use super::headers::Headers;
use super::uri::Uri;
use bytes::Bytes;
use std::fmt;

macro_rules! methods {
    ($($(#[doc = $doc:literal])* $variant:ident $token:literal;)*) => {
        /// A request method. Names are compared with regard to case.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Method {
            $($(#[doc = $doc])* $variant,)*
            /// Any other token.
            Other(Box<str>),
        }

        impl Method {
            /// The name as it stands in the request line.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Method::$variant => $token,)*
                    Method::Other(token) => token,
                }
            }

            /// Reads a method name. Nothing when it is no token.
            pub fn from_token(token: &str) -> Option<Method> {
                match token {
                    $($token => Some(Method::$variant),)*
                    other if super::text::is_token(other) => Some(Method::Other(other.into())),
                    _ => None,
                }
            }
        }
    };
}

methods! {
    /// RFC 3261
    Invite "INVITE";
    /// RFC 3261
    Ack "ACK";
    /// RFC 3261
    Bye "BYE";
    /// RFC 3261
    Cancel "CANCEL";
    /// RFC 3261
    Options "OPTIONS";
    /// RFC 3261
    Register "REGISTER";
    /// RFC 6086
    Info "INFO";
    /// RFC 3428
    Message "MESSAGE";
    /// RFC 3311
    Update "UPDATE";
    /// RFC 3262
    Prack "PRACK";
    /// RFC 3515
    Refer "REFER";
    /// RFC 6665
    Subscribe "SUBSCRIBE";
    /// RFC 6665
    Notify "NOTIFY";
    /// RFC 3903
    Publish "PUBLISH";
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method of the request line. CSeq may differ in a received request; whoever handles it
    /// compares.
    pub method: Method,
    /// The Request-URI.
    pub uri: Uri,
    /// The headers in their order. Content-Length is written from the body, whatever stands here.
    pub headers: Headers,
    /// The body, empty when there is none.
    pub body: Bytes,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code, 100 to 699.
    pub code: u16,
    /// The reason phrase, may be empty.
    pub reason: String,
    /// The headers in their order. Content-Length is written from the body, whatever stands here.
    pub headers: Headers,
    /// The body, empty when there is none.
    pub body: Bytes,
}

impl Response {
    /// The response to a request with these headers: Via, From, To, Call-ID and CSeq are copied as
    /// received (RFC 3261 §8.2.6.2), the single ones once, and Timestamp for a 100. `reason` is the
    /// usual phrase when there is none. The caller adds the To tag, with [`Headers::append`].
    pub fn to_request(request: &Headers, code: u16, reason: Option<&str>) -> Self {
        let mut headers = Headers::new();
        headers.copy_all(request, "Via");
        for name in ["From", "To", "Call-ID", "CSeq"] {
            headers.copy_first(request, name);
        }
        if code == 100 {
            headers.copy_first(request, "Timestamp");
        }
        let reason = reason.unwrap_or_else(|| reason_phrase(code)).to_owned();
        Self {
            code,
            reason,
            headers,
            body: Bytes::new(),
        }
    }
}

/// A request or a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// The headers of either.
    pub fn headers(&self) -> &Headers {
        match self {
            Message::Request(request) => &request.headers,
            Message::Response(response) => &response.headers,
        }
    }

    /// The body of either.
    pub fn body(&self) -> &Bytes {
        match self {
            Message::Request(request) => &request.body,
            Message::Response(response) => &response.body,
        }
    }
}

/// The usual reason phrase of a status code; the name of its class for codes that are not
/// registered.
// tidy: table
pub fn reason_phrase(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        439 => "First Hop Lacks Outbound Support",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        0..=199 => "Progress",
        201..=299 => "Success",
        303..=399 => "Redirection",
        409..=499 => "Client Error",
        506..=599 => "Server Error",
        _ => "Global Failure",
    }
}
