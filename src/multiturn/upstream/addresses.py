"""Which addresses of the Internet protocol are public: everything else is somebody's own network, or this machine."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

# RFC 6052: the last 32 bits are an IPv4 address behind a translator.
NAT64 = IPv6Network("64:ff9b::/96")
# RFC 8215: translators of somebody's own network; and RFC 4291 2.5.5.1, of which nothing is left.
PRIVATE_IPV6 = (IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))


def is_public(address: str) -> bool:
    """Whether an address is on the public Internet. What is no address is not: nobody looks up anything more."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        inner = find_inner(ip)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local or any(ip in network for network in PRIVATE_IPV6):
            return False
    return ip.is_global and not ip.is_multicast


def find_inner(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to, by one of the ways in which it may hold one."""
    if ip.ipv4_mapped or ip.sixtofour:
        return ip.ipv4_mapped or ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in NAT64 else None
