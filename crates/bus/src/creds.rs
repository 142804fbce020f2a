//! Identities as signed tokens: a node is added without touching the server,
//! and revoked while it is connected.
//!
//! ```text
//! operator.nk       signs the accounts: stays with whoever runs the bus
//! operator.jwt, accounts/*.jwt    what the server trusts
//! signers/<role>.nk               one key for each role; it signs the role's users
//! bus.json, issued.jsonl          which key is whose: public
//! system.creds      pushes changed accounts to the server
//! <holder>.creds    what issue made, for its holder
//! ```
//!
//! What a role may do stands in its account, and not in its users: the key that
//! signs forwarders can make forwarders and nothing else, each of which may
//! publish under its own name and no other's. To issue one takes `bus.json`
//! and `signers/forwarder.nk` alone. The keys of the accounts themselves, which
//! could sign anything, are thrown away when they are made.

mod claims;
pub(crate) mod jwt;

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
};

use jiff::{SignedDuration, Timestamp};
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::{
    claims::{SYSTEM_ROLE, object},
    jwt::{About, Claims, Nats},
};
use crate::{
    Cause, FileError, Identity,
    access::Account,
    credentials::{Credentials, ROLE_TAG, render},
    files,
    layout::Layout,
    permissions::Tokens,
    secret,
};

mod push;
pub use self::push::PushError;

const SYSTEM: &str = "SYS";
/// In the claims of an account.
const REVOCATIONS: &str = "revocations";
/// How long credentials are good unless somebody says otherwise: as long as a
/// certificate.
pub const VALID: SignedDuration = SignedDuration::from_hours(24 * 366);
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Of `issued.jsonl`: some 200 000 users.
const RECORD_BYTES_MAX: u64 = 64 << 20;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredsError {
    /// A file cannot be made or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A key or a file of credentials is not usable, or others may read it.
    #[error(transparent)]
    Secret(#[from] secret::ReadError),
    /// A forwarder without a node.
    #[error("name the node of the forwarder")]
    NoNode,
    /// Nobody was ever issued credentials under that name.
    #[error("{holder} has no credentials in {}; give its key with --key", record.display())]
    Unknown {
        /// Whose credentials were to go.
        holder: String,
        /// Where the issued ones are listed.
        record: PathBuf,
    },
    /// Not a user's public key.
    #[error("{key:?} is no user's public key, which begins with U")]
    Key {
        /// As given.
        key: String,
    },
    /// It was taken back, and stays so.
    #[error("{} was revoked; issue new credentials instead", path.display())]
    Revoked {
        /// The credentials.
        path: PathBuf,
    },
    /// A token could not be made.
    #[error("cannot make the token of {name}")]
    Make {
        /// Whose.
        name: String,
        /// Why not.
        source: Cause,
    },
}

/// Credentials that were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedCreds {
    /// Whose they are.
    pub name: String,
    /// The file.
    pub creds_file: PathBuf,
    /// The public key by which the server knows them.
    pub key: String,
}

/// Claims of an account, signed: what the server is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountToken {
    /// `LANNER_NODES`
    pub name: String,
    /// Its public key.
    pub key: String,
    /// The token.
    pub token: String,
}

/// `bus.json`: public keys.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Book {
    operator: String,
    accounts: BTreeMap<String, String>,
    signers: BTreeMap<String, String>,
}

/// One line of `issued.jsonl`.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct IssuedLine {
    name: String,
    account: String,
    key: String,
    issued: Timestamp,
}

/// A user to be.
struct User {
    name: String,
    /// The name in the token, which the server puts into the permissions.
    user: String,
    role: String,
    account: &'static str,
}

/// A folder from which credentials are issued.
#[derive(Debug)]
pub struct CredsFolder {
    dir: PathBuf,
    book: Book,
}

impl CredsFolder {
    /// Makes an operator, its accounts and the keys of all roles of `layout` in
    /// `dir`, which is made if it is missing, and `system.creds`.
    ///
    /// # Errors
    /// When there is one already, or the folder cannot be written.
    pub fn init(dir: &Path, layout: &Layout) -> Result<(Self, IssuedCreds), CredsError> {
        files::make_dir(dir)?;
        let operator = KeyPair::new_operator();
        files::create(&dir.join("operator.nk"), &seed_of(&operator)?, files::KEY_MODE)?;
        files::make_dir(&dir.join("accounts"))?;
        files::make_dir(&dir.join("signers"))?;
        let mut book = Book { operator: operator.public_key(), ..Book::default() };
        for name in Account::ALL.map(Account::name).into_iter().chain([SYSTEM]) {
            // Its key signs nothing: the operator signs the account, the keys
            // of roles its users.
            book.accounts.insert(name.to_owned(), KeyPair::new_account().public_key());
        }
        let mut folder = Self { dir: dir.to_owned(), book };
        let roles = [Identity::Admin, Identity::Responder, Identity::Subscriber]
            .iter()
            .map(Identity::role)
            .chain([Identity::FORWARDER_ROLE.to_owned(), SYSTEM_ROLE.to_owned()]);
        for role in roles {
            folder.add_signer(&role)?;
        }
        let nats = object(json!({"system_account": folder.account(SYSTEM)}));
        let about =
            About { subject: &folder.book.operator, name: "lanner", expires: None, issued: now() };
        let token = jwt::encode("operator", &about, nats, &operator).map_err(make("lanner"))?;
        files::create(&dir.join("operator.jwt"), &token, files::CERT_MODE)?;
        folder.update(layout)?;
        let system = User {
            name: "system.lanner".to_owned(),
            user: "system".to_owned(),
            role: SYSTEM_ROLE.to_owned(),
            account: SYSTEM,
        };
        let system = folder.issue_as(&system, "system", VALID)?;
        Ok((folder, system))
    }

    /// Opens the folder `dir`.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, CredsError> {
        let path = dir.join("bus.json");
        let text = secret::read_public(&path, FILE_BYTES_MAX)?;
        let book =
            serde_json::from_str(&text).map_err(|error| unusable(&path, Cause::of(&error)))?;
        Ok(Self { dir: dir.to_owned(), book })
    }

    /// Issues the credentials by which `identity` connects, for as long as they
    /// are `valid`. The server need not be told, but for the first ones of a reader or gateway: see
    /// [`CredsFolder::update`].
    ///
    /// # Errors
    /// When there are some already, or the folder cannot be written.
    pub fn issue(
        &mut self,
        identity: &Identity,
        valid: SignedDuration,
    ) -> Result<IssuedCreds, CredsError> {
        if matches!(identity, Identity::Forwarder { node } if node.is_empty()) {
            return Err(CredsError::NoNode);
        }
        let role = identity.role();
        if !self.book.signers.contains_key(&role) {
            self.add_signer(&role)?;
        }
        let account = identity.account().name();
        let user = User { name: identity.name(), user: identity.user(), role, account };
        self.issue_as(&user, &identity.file_stem(), valid)
    }

    /// Issues credentials anew, for the same holder and key, in place of the
    /// old ones. Who uses them takes them within seconds.
    ///
    /// # Errors
    /// When they are not of this folder, were revoked, or cannot be replaced.
    pub fn renew(&self, creds_file: &Path) -> Result<IssuedCreds, CredsError> {
        let old = Credentials::read(creds_file)?;
        let claims = jwt::decode(&old.token).map_err(|error| unusable(creds_file, error))?;
        let Some((role, _)) = self.book.signers.iter().find(|(_, signer)| **signer == claims.iss)
        else {
            return Err(unusable(creds_file, Cause::said("it was not issued from this folder")));
        };
        let account = claims.nats.get("issuer_account").and_then(Value::as_str).unwrap_or_default();
        let name = self.book.accounts.iter().find(|(_, key)| *key == account);
        if let Some((account, _)) = name
            && revoked(&self.account_claims(account)?).contains_key(&claims.sub)
        {
            return Err(CredsError::Revoked { path: creds_file.to_owned() });
        }
        let token = self.user_token(&claims.sub, &claims.name, role, account, VALID)?;
        let seed = old.seed().map_err(|error| unusable(creds_file, error))?;
        files::replace(creds_file, &render(&token, &seed), files::KEY_MODE)?;
        Ok(IssuedCreds { name: old.identity, creds_file: creds_file.to_owned(), key: claims.sub })
    }

    /// Writes all accounts anew, as `layout` has them. What was revoked stays
    /// revoked. Gives what the server is to be told.
    ///
    /// # Errors
    /// When the operator's key or an account cannot be read or written.
    pub fn update(&self, layout: &Layout) -> Result<Vec<AccountToken>, CredsError> {
        let signers = &self.book.signers;
        let mut tokens = Vec::new();
        for account in Account::ALL {
            let nats = claims::of_account(account, layout, &self.book.accounts, signers);
            tokens.push(self.sign_account(account.name(), nats)?);
        }
        tokens.push(self.sign_account(SYSTEM, claims::of_system(signers))?);
        Ok(tokens)
    }

    /// Takes back whatever was issued to these until now, and to these keys of
    /// users. Gives what the server is to be told.
    ///
    /// # Errors
    /// When one of them is not known, and when an account cannot be written.
    pub fn revoke(
        &self,
        identities: &[Identity],
        keys: &[String],
    ) -> Result<Vec<AccountToken>, CredsError> {
        let record = self.dir.join("issued.jsonl");
        let mut taken_back: Vec<(String, String)> = Vec::new();
        if !identities.is_empty() {
            let text = secret::read_public(&record, RECORD_BYTES_MAX)?;
            // A line that a full disk cut short is no reason to revoke nothing.
            let issued: Vec<IssuedLine> =
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            for identity in identities {
                let holder = identity.name();
                let before = taken_back.len();
                let theirs = issued.iter().filter(|issued| issued.name == holder);
                taken_back.extend(theirs.map(|line| (line.account.clone(), line.key.clone())));
                if taken_back.len() == before {
                    return Err(CredsError::Unknown { holder, record });
                }
            }
        }
        for key in keys {
            let is_user = key.starts_with('U') && KeyPair::from_public_key(key).is_ok();
            if !is_user {
                return Err(CredsError::Key { key: key.chars().take(64).collect() });
            }
            // Whose it is need not be known: where it is nobody's, it is in no way.
            let everywhere = self.book.accounts.keys();
            taken_back.extend(everywhere.map(|account| (account.clone(), key.clone())));
        }
        let now = now();
        let mut changed = Vec::new();
        for account in self.book.accounts.keys() {
            let theirs: Vec<&String> =
                taken_back.iter().filter(|(of, _)| of == account).map(|(_, key)| key).collect();
            if theirs.is_empty() {
                continue;
            }
            let claims = self.account_claims(account)?;
            let mut revocations = revoked(&claims);
            revocations.extend(theirs.into_iter().map(|key| (key.clone(), json!(now))));
            let mut nats = claims.nats;
            nats.insert(REVOCATIONS.to_owned(), Value::Object(revocations));
            changed.push(self.sign_account(account, nats)?);
        }
        Ok(changed)
    }

    /// What the server's configuration has to hold. Accounts are as they were
    /// written last: see [`CredsFolder::update`].
    ///
    /// # Errors
    /// When a token cannot be read.
    pub fn tokens(&self) -> Result<Tokens, CredsError> {
        let operator = secret::read_public(&self.dir.join("operator.jwt"), FILE_BYTES_MAX)?;
        let mut accounts = Vec::new();
        for (name, key) in &self.book.accounts {
            let token = secret::read_public(&self.account_path(name), FILE_BYTES_MAX)?;
            accounts.push(AccountToken { name: name.clone(), key: key.clone(), token });
        }
        Ok(Tokens { operator, system_account: self.account(SYSTEM), accounts })
    }

    fn issue_as(
        &self,
        user: &User,
        stem: &str,
        valid: SignedDuration,
    ) -> Result<IssuedCreds, CredsError> {
        let key = KeyPair::new_user();
        let creds_file = self.dir.join(format!("{stem}.creds"));
        let account = self.account(user.account);
        let token = self.user_token(&key.public_key(), &user.user, &user.role, &account, valid)?;
        files::create(&creds_file, &render(&token, &seed_of(&key)?), files::KEY_MODE)?;
        let line = IssuedLine {
            name: user.name.clone(),
            account: user.account.to_owned(),
            key: key.public_key(),
            issued: Timestamp::now(),
        };
        if let Err(error) = self.note(&line) {
            // What is not on the list could not be revoked by name.
            let _ = std::fs::remove_file(&creds_file);
            return Err(error);
        }
        Ok(IssuedCreds { name: user.name.clone(), creds_file, key: key.public_key() })
    }

    fn user_token(
        &self,
        key: &str,
        user: &str,
        role: &str,
        account: &str,
        valid: SignedDuration,
    ) -> Result<String, CredsError> {
        let path = self.signer_path(role);
        let seed = secret::read(&path, FILE_BYTES_MAX)?;
        let signer =
            KeyPair::from_seed(seed.trim()).map_err(|error| unusable(&path, Cause::of(&error)))?;
        let kind = role.split('.').next().unwrap_or(role);
        let tag = format!("{ROLE_TAG}{kind}");
        let nats = object(json!({"issuer_account": account, "tags": [tag]}));
        let expires =
            Timestamp::now().checked_add(valid).map_err(|error| make(user)(Cause::of(&error)))?;
        let about = About { subject: key, name: user, expires: Some(expires), issued: now() };
        jwt::encode("user", &about, nats, &signer).map_err(make(user))
    }

    fn note(&self, line: &IssuedLine) -> Result<(), CredsError> {
        let path = self.dir.join("issued.jsonl");
        let line =
            serde_json::to_string(line).map_err(|error| unusable(&path, Cause::of(&error)))?;
        // Behind what a full disk cut short this would be no line of its own, and what it is
        // about could not be revoked by name: an empty line harms nobody.
        let text = format!("\n{line}\n");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|source| FileError::Write { path, source }.into())
    }

    fn add_signer(&mut self, role: &str) -> Result<(), CredsError> {
        let key = KeyPair::new_account();
        files::create(&self.signer_path(role), &seed_of(&key)?, files::KEY_MODE)?;
        self.book.signers.insert(role.to_owned(), key.public_key());
        let path = self.dir.join("bus.json");
        let text = serde_json::to_string_pretty(&self.book)
            .map_err(|error| unusable(&path, Cause::of(&error)))?;
        files::replace(&path, &text, files::CERT_MODE)?;
        Ok(())
    }

    fn sign_account(&self, name: &str, mut nats: Nats) -> Result<AccountToken, CredsError> {
        let path = self.dir.join("operator.nk");
        let seed = secret::read(&path, FILE_BYTES_MAX)?;
        let operator =
            KeyPair::from_seed(seed.trim()).map_err(|error| unusable(&path, Cause::of(&error)))?;
        let mut issued = now();
        if self.account_path(name).exists() {
            let before = self.account_claims(name)?;
            if !nats.contains_key(REVOCATIONS) {
                nats.insert(REVOCATIONS.to_owned(), Value::Object(revoked(&before)));
            }
            // A server that is started anew compares what it was told with what
            // its configuration says, by the second: the later one has to win.
            issued = issued.max(before.iat.saturating_add(1));
        }
        let key = self.account(name);
        let about = About { subject: &key, name, expires: None, issued };
        let token = jwt::encode("account", &about, nats, &operator).map_err(make(name))?;
        files::replace(&self.account_path(name), &token, files::CERT_MODE)?;
        Ok(AccountToken { name: name.to_owned(), key, token })
    }

    fn account_claims(&self, name: &str) -> Result<Claims, CredsError> {
        let path = self.account_path(name);
        let token = secret::read_public(&path, FILE_BYTES_MAX)?;
        jwt::decode(&token).map_err(|error| unusable(&path, error))
    }

    fn account(&self, name: &str) -> String {
        self.book.accounts.get(name).cloned().unwrap_or_default()
    }

    fn account_path(&self, name: &str) -> PathBuf {
        self.dir.join("accounts").join(format!("{name}.jwt"))
    }

    fn signer_path(&self, role: &str) -> PathBuf {
        self.dir.join("signers").join(format!("{role}.nk"))
    }
}

/// Users' keys, and until when what was issued to each is taken back.
fn revoked(claims: &Claims) -> Nats {
    let revocations = claims.nats.get(REVOCATIONS).and_then(Value::as_object);
    revocations.cloned().unwrap_or_default()
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

fn seed_of(key: &KeyPair) -> Result<String, CredsError> {
    key.seed()
        .map_err(|error| CredsError::Make { name: key.public_key(), source: Cause::of(&error) })
}

fn make(name: &str) -> impl Fn(Cause) -> CredsError {
    move |source| CredsError::Make { name: name.to_owned(), source }
}

fn unusable(path: &Path, source: Cause) -> CredsError {
    secret::ReadError::Unusable { path: path.to_owned(), source }.into()
}
