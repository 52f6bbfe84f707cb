//! Accounts: who somebody is, and how they prove it.

mod api_keys;
mod bulk;
mod caller;
mod handlers;
mod jwks;
mod passwords;
mod refresh;
mod roles;
mod store;
mod throttle;
mod tokens;

pub(crate) use api_keys::__path_create_api_key;
pub use api_keys::create_api_key;
pub use bulk::make_accounts;
pub use caller::{Caller, Operator, Partner, Steward};
pub(crate) use handlers::{
    __path_login, __path_logout, __path_me, __path_refresh, __path_register,
};
pub use handlers::{login, logout, me, refresh, register};
pub(crate) use jwks::__path_jwks;
pub use jwks::{Jwks, jwks};
pub use passwords::{PasswordLimits, Passwords, checked_password};
pub use roles::{Role, Roles};
pub use store::{NewAccount, by_email, by_id, checked_name, create_account, grant, normal_email};
pub use throttle::{LoginRates, Throttle, network};
pub use tokens::{Tokens, issue_token};
