//! Resolves the hosts of signing keys, and refuses those whose addresses are not public.
//!
//! The name is one that the configuration allows, but who answers for it in the DNS is not: an address inside of our own
//! network would be asked in our name. The connection goes to the addresses that were checked, so a second answer of
//! the DNS changes nothing. Literal addresses are not resolved; only the configuration can allow them.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use crate::domain::callback::is_loopback;

/// A host of signing keys has an address that it must not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} has the address {address}, which is not public")]
pub(super) struct NotPublic {
    name: String,
    address: IpAddr,
}

impl NotPublic {
    /// The one that an error of a request comes from.
    pub(super) fn behind<'error>(error: &'error (dyn Error + 'static)) -> Option<&'error Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            cause = error.source();
        }
        None
    }
}

/// Who may be behind an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anybody on the internet.
    Public,
    /// A network of one's own.
    Private,
    /// This machine.
    Loopback,
    /// This link, nobody, everybody, or whom another protocol wraps in it.
    Special,
}

/// Asks the system, and lets only public addresses pass.
#[derive(Clone)]
pub(super) struct PublicNames {
    names: Arc<dyn Resolve>,
    allow_private: bool,
}

impl PublicNames {
    /// Names as the system knows them; `allow_private` is for a `ConnectWise` in a network of one's own.
    pub(super) fn of_system(allow_private: bool) -> Self {
        Self { names: Arc::new(SystemNames), allow_private }
    }

    #[cfg(test)]
    pub(super) fn of(names: Arc<dyn Resolve>, allow_private: bool) -> Self {
        Self { names, allow_private }
    }
}

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (text, allow_private) = (name.as_str().to_owned(), self.allow_private);
        let resolving = self.names.resolve(name);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            let of_this_machine = is_loopback(&Host::Domain(text.to_ascii_lowercase()));
            let fits = |address: IpAddr| match reach(address) {
                Reach::Public => !of_this_machine,
                Reach::Private => allow_private && !of_this_machine,
                Reach::Loopback => of_this_machine,
                Reach::Special => false,
            };
            // One that does not fit is enough: whoever answers so is not believed about the others.
            if let Some(address) = addresses.iter().map(SocketAddr::ip).find(|address| !fits(*address)) {
                return Err(NotPublic { name: text, address }.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// The resolver of the system.
struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Who may be behind an address, also where it is wrapped in one of the other family.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Source: IANA's registry of special-purpose IPv4 addresses.
fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [127, ..] => Reach::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        [0 | 224..=255, ..]
        | [169, 254, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Special,
        _ => Reach::Public,
    }
}

/// Source: IANA's registry of special-purpose IPv6 addresses.
fn reach_v6(address: Ipv6Addr) -> Reach {
    let wrapped = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        reach_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Loopback,
        // Mapped, compatible, and translated by a gateway.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => wrapped(high, low),
        [0xfc00..=0xfdff, ..] => Reach::Private,
        [0x2001, 0 | 0xdb8, ..] => Reach::Special,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Special,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_address_says_who_is_behind_it() {
        for (reached, addresses) in [
            (Reach::Public, "8.8.8.8 172.15.0.1 172.32.0.1 100.128.0.1 192.167.1.1 2606:4700::1111 ::ffff:8.8.8.8"),
            (Reach::Private, "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fdff::1"),
            (Reach::Private, "::ffff:10.0.0.1 ::10.0.0.1 64:ff9b::10.0.0.1 2002:a00:1::1 ::ffff:0:192.168.0.1"),
            (Reach::Loopback, "127.0.0.1 127.255.0.1 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::"),
            (Reach::Special, "0.0.0.0 169.254.169.254 192.0.0.192 198.18.0.1 224.0.0.1 255.255.255.255 203.0.113.1"),
            (Reach::Special, ":: fe80::1 fec0::1 ff02::1 2001:db8::1 2001:0:1::1 ::ffff:169.254.169.254 100::1"),
            (Reach::Special, "64:ff9b:1::1 64:ff9b::169.254.169.254 2002:a9fe:a9fe:: ::ffff:0.0.0.0 4000::1"),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(reach(address.parse().unwrap()), reached, "{address}");
            }
        }
    }
}
