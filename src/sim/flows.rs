//! Messages, WebSockets that are lost and opened again, pages that are busy, phones without a
//! network.

use bytes::Bytes;

use crate::engine;
use crate::id::FlowId;

use super::network::Parcel;
use super::{PhoneId, World};

impl World {
    /// Sends an in-dialog message.
    pub fn message(&mut self, phone: PhoneId, text: &str) {
        let now = self.now;
        self.phones[phone.0].info(now, None, "application/json", text);
        self.settle();
    }

    /// The same with the number that tells a message which comes again.
    pub fn numbered_message(&mut self, phone: PhoneId, number: u64, text: &str) {
        let now = self.now;
        self.phones[phone.0].info(now, Some(number), "application/json", text);
        self.settle();
    }

    /// The WebSocket of a browser is closed, and both sides see it.
    pub fn lose_flow(&mut self, phone: PhoneId) {
        self.note(phone, "WebSocket lost".to_owned());
        let now = self.now;
        let flow = self.phones[phone.0].flow.id;
        self.phones[phone.0].drop_flow();
        self.open_flows.remove(&flow);
        self.engine.handle(now, engine::Input::FlowClosed(flow));
        self.settle();
    }

    /// A browser opens another WebSocket and registers, whether or not the engine has missed the
    /// one before.
    pub fn come_back(&mut self, phone: PhoneId) {
        self.open_flow(phone, None);
        self.register(phone);
    }

    /// The same with the login of somebody else; the registration is refused.
    pub fn come_back_as(&mut self, phone: PhoneId, user: &str) {
        self.open_flow(phone, Some(user));
        self.register(phone);
    }

    fn open_flow(&mut self, phone: PhoneId, user: Option<&str>) {
        self.note(phone, "WebSocket opened".to_owned());
        self.next_flow += 1;
        let id = FlowId(self.next_flow);
        let one = &mut self.phones[phone.0];
        one.drop_flow();
        self.open_flows.remove(&one.flow.id);
        one.flow.id = id;
        let (flow, identity) = (one.flow, Some(user.unwrap_or(&one.number).to_owned()));
        self.open_flows.insert(id);
        self.engine
            .handle(self.now, engine::Input::FlowOpened { flow, identity });
    }

    /// A page is busy: it takes in nothing, while its connections live.
    pub fn set_busy(&mut self, phone: PhoneId, busy: bool) {
        let now = self.now;
        let one = &mut self.phones[phone.0];
        let waiting = std::mem::replace(&mut one.inbox, busy.then(Vec::new));
        for bytes in waiting.into_iter().flatten() {
            self.phones[phone.0].handle_sip(now, bytes);
        }
        self.settle();
    }

    /// Sends bytes as they are. With [`World::set_busy`], which keeps the phone from answering by
    /// itself, the phone is whatever the caller makes of it.
    pub fn send_sip(&mut self, phone: PhoneId, bytes: impl Into<Bytes>) {
        self.phones[phone.0].outbox.push(bytes.into());
        self.settle();
    }

    /// Takes what has come to a phone that is busy, in order.
    pub fn take_sip(&mut self, phone: PhoneId) -> Vec<Bytes> {
        let inbox = self.phones[phone.0].inbox.as_mut();
        inbox.map(std::mem::take).unwrap_or_default()
    }

    /// Everything that a phone sends, or is sent, is lost from here on, or no longer.
    pub fn set_cut(&mut self, phone: PhoneId, cut: bool) {
        if cut {
            self.cut.insert(phone);
        } else {
            self.cut.remove(&phone);
        }
    }

    /// The phone's media goes dead: nothing more is sent or heard.
    pub fn lose_media(&mut self, phone: PhoneId) {
        self.phones[phone.0].ear = None;
    }

    /// Whether a parcel does not arrive: its phone has no network, or its WebSocket is closed.
    pub(super) fn is_lost(&self, parcel: &Parcel) -> bool {
        let phone = match parcel {
            Parcel::SipToEngine { flow, .. } => {
                if flow.transport.is_web() && !self.open_flows.contains(&flow.id) {
                    return true;
                }
                self.phones
                    .iter()
                    .find(|phone| phone.flow.remote == flow.remote)
            }
            Parcel::RtpToCore { from, .. } => self.phones.iter().find(|phone| phone.rtp == *from),
            Parcel::SipToPhone { phone, .. } | Parcel::RtpToPhone { phone, .. } => {
                self.phones.get(phone.0)
            }
        };
        phone.is_some_and(|phone| self.cut.contains(&phone.id))
    }
}
