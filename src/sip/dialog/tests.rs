//! Dialogs beyond what the call tables of the endpoint show.
