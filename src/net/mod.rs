//! The SIP transports.
