//! The `ip` command and the addresses it is given. Called by the laboratory only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs `ip` with these arguments (empty ones are left out); its complaint is the error.
pub(super) fn ip(arguments: &[&str]) -> Result<()> {
    command("ip", arguments).map(|_| ())
}

/// Runs a command of the base system to its end; returns what it printed.
pub(super) fn command(program: &str, arguments: &[&str]) -> Result<String> {
    let arguments: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|word| !word.is_empty())
        .collect();
    let output = Command::new(program)
        .args(&arguments)
        .output()
        .with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{program} {}` failed: {}",
            arguments.join(" "),
            words.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The option of `ip` for the family of an address.
pub(super) fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "-4" } else { "-6" }
}

/// The router's address as a host sees it: `.1` of its /24, `::1` of its /64.
pub(super) fn gateway_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Ipv4Addr::new(a, b, c, 1).into()
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 1).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_the_first_address_of_the_subnet() {
        let cases = [
            ("198.51.100.80", "198.51.100.1"),
            ("2001:db8:7::80", "2001:db8:7::1"),
        ];
        for (address, gateway) in cases {
            assert_eq!(gateway_of(address.parse().unwrap()).to_string(), gateway);
        }
    }
}
