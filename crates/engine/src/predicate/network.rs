//! Networks in CIDR notation.

use std::net::IpAddr;

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

impl Network {
    /// Reads an address, a slash and how many bits count. What has a dot is of version 4.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let version_4 = text.contains('.');
        let Some((address, bits)) = text.split_once('/') else {
            return Err(if version_4 {
                format!("unrecognized IP network {text}")
            } else {
                format!("invalid v6 netmask: {text}")
            });
        };
        let address = if version_4 {
            let address = address.parse().map(IpAddr::V4);
            address.ok().ok_or_else(|| format!("unrecognized IP address {text}"))?
        } else {
            let address = address.parse().map(IpAddr::V6);
            address.ok().ok_or_else(|| format!("unrecognized IPv6 address {text}"))?
        };
        if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{bits} is not a valid number"));
        }
        let prefix = bits.parse().unwrap_or(u32::MAX);
        match address {
            IpAddr::V4(_) if prefix > 32 => Err(format!("invalid netmask {bits}")),
            // Falco refuses the network of all addresses, too.
            IpAddr::V6(_) if prefix == 0 || prefix > 128 => {
                Err(format!("invalid v6 netmask {bits}"))
            }
            _ => Ok(Self { address, prefix }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Network;

    #[track_caller]
    fn check(network: &str, address: &str, expected: bool) {
        let network = Network::parse(network).unwrap();
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
        check("fd00::/8", "fe12::1", false);
        check("fd12:3456:7800::/37", "fd12:3456:7fff::1", true);
        check("fd12:3456:7800::/37", "fd12:3456:8000::1", false);
        check("::1/128", "::1", true);
        check("fd00::/8", "1.2.3.4", false);
        check("10.1.2.3/8", "10.9.9.9", true);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, message) in [
            ("10.0.0.0", "unrecognized IP network 10.0.0.0"),
            ("10.0.0/8", "unrecognized IP address 10.0.0/8"),
            ("10.0.0.0/33", "invalid netmask 33"),
            ("10.0.0.0/", " is not a valid number"),
            ("10.0.0.0/-1", "-1 is not a valid number"),
            ("x/8", "unrecognized IPv6 address x/8"),
            ("fd00::", "invalid v6 netmask: fd00::"),
            ("::/129", "invalid v6 netmask 129"),
            ("::/0", "invalid v6 netmask 0"),
            ("", "invalid v6 netmask: "),
        ] {
            assert_eq!(Network::parse(text).expect_err(text), message);
        }
    }
}
