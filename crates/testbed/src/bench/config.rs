//! The configuration of ours under load: the one place that knows its form.

use std::net::IpAddr;
use std::path::Path;

use crate::authority::Identity;

/// A website from a folder and a zone from a file, on the standard ports of one address.
pub(super) fn servergate(
    address: IpAddr,
    site: Option<(&Path, &Identity)>,
    zone: Option<&Path>,
) -> String {
    let mut text = format!(
        "version = 1\nmode = \"act\"\n\n[standby]\nname = \"bench\"\naddresses = [\"{address}\"]\n\
         data = \"data\"\nreferences = []\n\n[listen]\nadmin = \"admin.sock\"\n"
    );
    if site.is_some() {
        text += &format!("http = [\"{address}:80\"]\nhttps = [\"{address}:443\"]\n");
    }
    if zone.is_some() {
        text += &format!("dns = [\"{address}:53\"]\n");
    }
    text += "\n[[organisation]]\nname = \"Verein Beispiel\"\ndomains = [\"verein.test\"]\n\
             imprint = \"https://www.verein.test/kontakt.html\"\n";
    if let Some((folder, identity)) = site {
        text += &format!(
            "\n[organisation.web]\nhosts = [\"www.verein.test\"]\nfolder = {:?}\n\
             certificate = {{ chain = {:?}, key = {:?} }}\n",
            folder, identity.chain, identity.key
        );
    }
    if let Some(file) = zone {
        text += &format!("\n[organisation.names]\nzones = [\"verein.test\"]\nfile = {file:?}\n");
    }
    text
}

/// Mail of one organisation whose primary is a port of the same address. The bounds on one guest are
/// out of the way: the load comes from one address.
pub(super) fn mail(address: IpAddr, primary: u16, passphrase: &Path) -> String {
    format!(
        "version = 1\nmode = \"act\"\n\n[standby]\nname = \"bench\"\naddresses = [\"{address}\"]\n\
         data = \"data\"\nreferences = []\npassphrase_file = {passphrase:?}\n\n\
         [listen]\nsmtp = [\"{address}:25\"]\nadmin = \"admin.sock\"\n\n\
         [mail]\nmessages_per_network = 1000000000\nguests_per_network = 1000\n\n\
         [[organisation]]\nname = \"Verein Beispiel\"\ndomains = [\"verein.test\"]\n\
         imprint = \"https://www.verein.test/kontakt.html\"\n\n\
         [organisation.mail]\nprimary = \"{address}:{primary}\"\nmx = \"mx2.verein.test\"\n\
         unknown = \"keep\"\n"
    )
}
