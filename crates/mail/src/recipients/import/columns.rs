//! What the columns of a table mean, by the names that people, spreadsheets and the exports of
//! Exchange, Microsoft 365 and Google Workspace give them.

/// A name as it is compared: `E-Mail` and `email` are one, and what Google adds in brackets
/// (`Email Address [Required]`) makes no difference.
fn plain(name: &str) -> String {
    let name = name.split('[').next().unwrap_or_default();
    let signs = name.chars().filter(|sign| sign.is_alphanumeric());
    signs.flat_map(char::to_lowercase).collect()
}

/// Names of the column with somebody's own address, the best first.
const OWN: [&str; 12] = [
    "primarysmtpaddress",
    "address",
    "emailaddress",
    "email",
    "mail",
    "primaryemail",
    "primaryemailaddress",
    "windowsemailaddress",
    "mailaddress",
    "emailadresse",
    "mailadresse",
    "userprincipalname",
];
/// Names of columns with further addresses.
const FURTHER: [&str; 8] = [
    "emailaddresses",
    "proxyaddresses",
    "mailalternateaddress",
    "aliases",
    "emailaliases",
    "useraliases",
    "alternateemailaddresses",
    "alias",
];

/// Where in a row what stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// Somebody's own address; several where a name stands there twice.
    pub(super) own: Vec<usize>,
    /// Further addresses.
    pub(super) further: Vec<usize>,
    pub(super) password: Option<usize>,
    /// Whether the account takes mail.
    pub(super) status: Option<usize>,
    /// When the account was deleted.
    pub(super) deleted: Option<usize>,
}

impl Columns {
    /// What the header row says; `None` without a column of addresses.
    pub(super) fn of(header: &[String]) -> Option<Self> {
        let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let all = |wanted: &str| -> Vec<usize> {
            let named = names.iter().enumerate();
            named
                .filter(|(_, name)| name.as_str() == wanted)
                .map(|(at, _)| at)
                .collect()
        };
        let own = OWN.iter().map(|name| all(name));
        let own = own.into_iter().find(|found| !found.is_empty());
        let further: Vec<usize> = names
            .iter()
            .enumerate()
            .filter(|(_, name)| is_further(name))
            .map(|(at, _)| at)
            .collect();
        if own.is_none()
            && further
                .iter()
                .all(|at| names.get(*at).is_some_and(|n| n == "alias"))
        {
            return None;
        }
        // Google's `Password [Required]` holds asterisks: only the bare name is a password.
        let password = |name: &String| name.trim().eq_ignore_ascii_case("password");
        Some(Self {
            own: own.unwrap_or_default(),
            further,
            password: header.iter().position(password),
            status: names.iter().position(|name| name == "status"),
            deleted: names
                .iter()
                .position(|name| name == "softdeletiontimestamp"),
        })
    }

    /// Whether this row is of an account that takes no mail any more.
    pub(super) fn is_gone(&self, row: &[String]) -> bool {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).map(|cell| cell.trim());
        let status = cell(self.status).unwrap_or_default();
        let gone = ["suspended", "archived", "deleted"];
        gone.iter().any(|word| status.eq_ignore_ascii_case(word))
            || cell(self.deleted).is_some_and(|when| !when.is_empty())
    }
}

/// One of the names above, or one of several numbered columns: `aliases.0`, `Alias 2`.
fn is_further(name: &str) -> bool {
    let bare = name.trim_end_matches(|sign: char| sign.is_ascii_digit());
    FURTHER.contains(&name) || (bare != name && ["aliases", "alias"].contains(&bare))
}
