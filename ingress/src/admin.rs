//! What operators do; every change has its line in the audit log before it is made.

mod admission;
mod audit;
mod called;
mod channel_body;
mod draw;
mod event_body;
mod events;
mod gathering;
mod history;
mod kills;
mod live;
mod plan_body;
mod rooms;
mod services;
mod terms_body;
mod witnesses;

pub(crate) use admission::{__path_admission, __path_change_admission};
pub use admission::{admission, change_admission};
pub(crate) use audit::__path_audit;
pub use audit::audit;
pub(crate) use audit::record;
pub(crate) use draw::__path_draw;
pub use draw::draw;
#[cfg(test)]
pub(crate) use event_body::event_of;
pub(crate) use event_body::time;
pub(crate) use events::{__path_create_event, __path_import_events, __path_replace_event};
pub use events::{create_event, import_events, replace_event};
pub(crate) use history::__path_history;
pub use history::{HISTORIES_MAX, history};
pub(crate) use kills::{__path_kill, __path_kills, __path_lift_kill};
pub use kills::{kill, kills, lift_kill};
pub(crate) use live::__path_live;
pub use live::live;
pub(crate) use rooms::__path_put_room;
pub use rooms::put_room;
pub(crate) use services::__path_services;
pub use services::services;
