//! Where promoters want to hear of their events' bookings. Settlement makes the messages and sends
//! them.

mod body;
mod endpoints;
mod messages;
mod replay;
mod stored;

pub(crate) use endpoints::{
    __path_change_webhook, __path_create_webhook, __path_delete_webhook, __path_rotate_webhook,
    __path_webhooks,
};
pub use endpoints::{change_webhook, create_webhook, delete_webhook, rotate_webhook, webhooks};
pub(crate) use messages::__path_webhook_messages;
pub use messages::webhook_messages;
pub(crate) use replay::__path_replay_webhook;
pub use replay::replay_webhook;
