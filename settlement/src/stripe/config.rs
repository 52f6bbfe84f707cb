//! What an operator sets for Stripe.

use chassis::config::Secret;
use http::Uri;
use serde::{Deserialize, Serialize};

/// Section `[settlement.stripe]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StripeConfig {
    /// The account's key, `sk_...` or `rk_...`. Without it there is no Stripe.
    pub secret_key: Secret,
    /// Where Stripe is: `https`, unless it is a test's own on this machine.
    pub api_base: String,
    /// What webhooks are signed with, `whsec_...`: one, or two while one replaces the other.
    pub webhook_secrets: Vec<Secret>,
    /// Payments carry this word, and those of other words are left alone: systems that share an
    /// account need different ones, or each gives back what the other has taken.
    pub system: String,
}

/// Most secrets of webhooks.
const WEBHOOK_SECRETS_MAX: usize = 2;

/// Longest `system`, in letters.
const SYSTEM_LETTERS_MAX: usize = 40;

impl Default for StripeConfig {
    fn default() -> Self {
        Self {
            secret_key: Secret::default(),
            api_base: "https://api.stripe.com".to_owned(),
            webhook_secrets: Vec::new(),
            system: "usher".to_owned(),
        }
    }
}

impl StripeConfig {
    pub(crate) fn is_set(&self) -> bool {
        !self.secret_key.expose().is_empty()
    }

    /// Says why Stripe cannot be used like this.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let key = self.secret_key.expose();
        if key.is_empty() {
            return Err("settlement.stripe.secret_key is empty");
        }
        let is_key = key.starts_with("sk_") || key.starts_with("rk_");
        if !is_key || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("settlement.stripe.secret_key is no secret key of Stripe");
        }
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=SYSTEM_LETTERS_MAX).contains(&self.system.len())
            || !self.system.bytes().all(is_word)
        {
            return Err("settlement.stripe.system has 1 to 40 letters, digits, and `-_.`");
        }
        if WEBHOOK_SECRETS_MAX < self.webhook_secrets.len() {
            return Err("settlement.stripe.webhook_secrets has two at most");
        }
        if self.webhook_secrets.iter().any(|secret| secret.expose().is_empty()) {
            return Err("settlement.stripe.webhook_secrets has an empty one");
        }
        self.check_base(key)
    }

    fn check_base(&self, key: &str) -> Result<(), &'static str> {
        let Ok(base) = self.api_base.parse::<Uri>() else {
            return Err("settlement.stripe.api_base is no URL");
        };
        let host = base.host().unwrap_or("");
        let has_more = base.path() != "/" || base.query().is_some();
        if host.is_empty()
            || has_more
            || base.authority().is_some_and(|at| at.as_str().contains('@'))
        {
            return Err("settlement.stripe.api_base is a scheme and a host, nothing else");
        }
        let is_here = ["127.0.0.1", "localhost", "[::1]"].contains(&host);
        match base.scheme_str() {
            Some("https") => Ok(()),
            Some("http") if is_here && !key.contains("_live_") => Ok(()),
            Some("http") if is_here => Err("settlement.stripe.secret_key is a live key, and \
                settlement.stripe.api_base is not Stripe"),
            _ => Err("settlement.stripe.api_base must be https"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StripeConfig;
    use chassis::config::Secret;

    fn with(change: impl FnOnce(&mut StripeConfig)) -> Result<(), &'static str> {
        let mut config =
            StripeConfig { secret_key: Secret::new("sk_test_1"), ..StripeConfig::default() };
        change(&mut config);
        config.check()
    }

    fn base(base: &str) -> Result<(), &'static str> {
        with(|config| config.api_base = base.to_owned())
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|config| config.secret_key = Secret::new("rk_live_1")), Ok(()));
        for key in ["", "pk_test_1", "whsec_1", "sk_test_1\n", "sk_ 1"] {
            assert!(with(|config| config.secret_key = Secret::new(key)).is_err(), "{key}");
        }
        for at in ["https://stripe.example", "http://127.0.0.1:8420", "http://[::1]:1/"] {
            assert_eq!(base(at), Ok(()), "{at}");
        }
        for at in [
            "",
            "x",
            "/v1",
            "http://stripe.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "https://a:b@stripe.example",
            "https://stripe.example/v1",
            "https://stripe.example?a",
        ] {
            assert!(base(at).is_err(), "{at}");
        }
        let live = |config: &mut StripeConfig| {
            config.secret_key = Secret::new("sk_live_1");
            config.api_base = "http://localhost:8420".to_owned();
        };
        assert!(with(live).is_err(), "a live key goes over the wire only to Stripe");
        let secrets = |count| {
            with(|config| {
                config.webhook_secrets = vec![Secret::new("whsec_1"); count];
            })
        };
        assert_eq!((secrets(2).is_ok(), secrets(3).is_ok()), (true, false));
        assert!(with(|config| config.webhook_secrets = vec![Secret::default()]).is_err());
        for system in ["", "a b", "a/b", &"x".repeat(41)] {
            assert!(with(|config| config.system = system.to_owned()).is_err(), "{system}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let config = StripeConfig {
            secret_key: Secret::new("sk_test_hidden"),
            webhook_secrets: vec![Secret::new("whsec_hidden")],
            ..StripeConfig::default()
        };
        let shown = format!("{config:?} {}", chassis::config::print_masked(&config));
        assert!(shown.contains("***") && !shown.contains("hidden"), "{shown}");
    }
}
