//! Networks in CIDR notation.

use std::{net::IpAddr, str::FromStr};

/// An address and how many of its leading bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// The network of that address alone.
    pub(crate) fn of_one(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The address it was written with: bits behind the prefix may be set.
    pub(crate) fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub(crate) fn prefix_len(self) -> u32 {
        self.prefix
    }

    /// Whether the address is of the same family and in the network.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= bits)?;
            Some(Self { address, prefix })
        };
        parse().ok_or_else(|| format!("unrecognized IP network {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[track_caller]
    fn check(network: &str, address: &str, expected: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(
            network.contains(address.parse().unwrap()),
            expected,
            "{address} in {network:?}"
        );
    }

    #[test]
    fn networks_hold_their_addresses() {
        check("10.0.0.0/8", "10.255.1.1", true);
        check("10.0.0.0/8", "11.0.0.1", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("1.2.3.4/32", "1.2.3.5", false);
        check("fd00::/8", "fd12::1", true);
        check("::/0", "1.2.3.4", false);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129", "10.0.0.0/-1", ""] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
