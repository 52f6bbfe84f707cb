//! What an account may do.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Fan,
    Partner,
    Operator,
    /// Checks tickets at the entrances.
    Steward,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Fan, Self::Partner, Self::Operator, Self::Steward];

    const fn bit(self) -> i16 {
        match self {
            Self::Fan => 1,
            Self::Partner => 2,
            Self::Operator => 4,
            Self::Steward => 8,
        }
    }
}

/// A set of roles; in the database the sum of their bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles(i16);

impl Roles {
    pub const FAN: Self = Self(Role::Fan.bit());

    pub fn of(roles: &[Role]) -> Self {
        Self(roles.iter().fold(0, |bits, role| bits | role.bit()))
    }

    /// Bits that no role has are dropped: a database of a later version may know more.
    pub fn from_bits(bits: i16) -> Self {
        Self(bits & Self::of(&Role::ALL).0)
    }

    pub fn bits(self) -> i16 {
        self.0
    }

    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    pub fn list(self) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.has(*role)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, Roles};

    #[test]
    fn roles_survive_the_way_to_bits_and_unknown_bits_grant_nothing() {
        let roles = Roles::of(&[Role::Fan, Role::Operator]);
        assert_eq!(Roles::from_bits(roles.bits()), roles);
        assert_eq!(roles.list(), [Role::Fan, Role::Operator]);
        assert!(!roles.has(Role::Partner));
        assert_eq!(Roles::from_bits(64).list(), []);
    }
}
