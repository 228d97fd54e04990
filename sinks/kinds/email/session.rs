//! One conversation with an SMTP server.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::Address;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{self};
use secrecy::ExposeSecret as _;

use super::verdict::Refusal;
use super::{Auth, Login, Server, wire};
use crate::http::client::find;
use crate::{Class, Failure};

/// How long the server may take to say goodbye. The mail is delivered by then.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where in a conversation something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The greeting and EHLO.
    Greeting,
    /// AUTH.
    Login,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA.
    Content,
}

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no. The conversation goes on.
    Refused(Step, Refusal),
    /// The conversation is over.
    Ended(Failure),
}

impl Fault {
    pub(super) fn failure(&self) -> Failure {
        match self {
            Self::Refused(step, refusal) => refusal.failure(*step),
            Self::Ended(failure) => failure.clone(),
        }
    }
}

/// An open connection, logged in.
pub(super) struct Session<'a> {
    smtp: AsyncSmtpConnection,
    server: &'a Server,
}

impl<'a> Session<'a> {
    /// Connects, begins TLS, greets and logs in.
    pub(super) async fn open(server: &'a Server) -> Result<Self, Failure> {
        let hello = ClientId::default();
        let stream = wire::connect(server, &hello).await?;
        let smtp = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let smtp = smtp.map_err(|error| fault(&error, Step::Greeting, server).failure())?;
        let mut session = Self { smtp, server };
        if let Some(login) = &server.login {
            session.log_in(login).await?;
        }
        Ok(session)
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), Failure> {
        let mechanisms: &[Mechanism] = match login.auth {
            Auth::Password => &[Mechanism::Plain, Mechanism::Login],
            Auth::Xoauth2 => &[Mechanism::Xoauth2],
        };
        if self
            .smtp
            .server_info()
            .get_auth_mechanism(mechanisms)
            .is_none()
        {
            return Err(Failure::new(
                Class::Operator,
                "the server does not offer a login of the kind that `auth` names on this connection",
            ));
        }
        let password = login.password.expose_secret().to_owned();
        let credentials = Credentials::new(login.username.clone(), password);
        match self.smtp.auth(mechanisms, &credentials).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_client() => Err(Failure::new(
                Class::Operator,
                "the server does not accept the credentials: it asked again; an access token may have expired",
            )),
            Err(error) => Err(fault(&error, Step::Login, self.server).failure()),
        }
    }

    /// Hands over one mail for one recipient. Gives the server's words.
    pub(super) async fn send(
        &mut self,
        from: &Address,
        to: &Address,
        mail: &[u8],
    ) -> Result<String, Fault> {
        let begun = self.begin(from, to).await;
        if let Err(Fault::Refused(..)) = begun {
            // Ends the transaction; the answer does not matter, because the next step is refused if this was.
            let _answer = self.smtp.command(Rset).await;
        }
        begun?;
        let taken = self.smtp.message(mail).await;
        let taken = taken.map_err(|error| match fault(&error, Step::Content, self.server) {
            Fault::Ended(failure) => Fault::Ended(Failure::new(
                failure.class,
                format!("{failure}, after the mail was sent: it may arrive twice"),
            )),
            refused @ Fault::Refused(..) => refused,
        })?;
        Ok(words(&taken))
    }

    async fn begin(&mut self, from: &Address, to: &Address) -> Result<(), Fault> {
        let server = self.server;
        let failed = |step| move |error: smtp::Error| fault(&error, step, server);
        let sender = Mail::new(Some(from.clone()), Vec::new());
        self.smtp
            .command(sender)
            .await
            .map_err(failed(Step::Sender))?;
        let recipient = Rcpt::new(to.clone(), Vec::new());
        self.smtp
            .command(recipient)
            .await
            .map_err(failed(Step::Recipient))?;
        self.smtp
            .command(Data)
            .await
            .map_err(failed(Step::Content))?;
        Ok(())
    }

    /// Says goodbye. What was sent stays sent, whatever the server answers.
    pub(super) async fn close(mut self) {
        let _late = tokio::time::timeout(GOODBYE, self.smtp.quit()).await;
    }
}

fn words(response: &Response) -> String {
    let words: Vec<_> = response.message().collect();
    words.join(" ")
}

/// An error of lettre in our own words. Its text can hold what the server repeats of the login.
fn fault(error: &smtp::Error, step: Step, server: &Server) -> Fault {
    if let Some(code) = error.status() {
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        let words = hidden(&words, server.login.as_ref());
        let code = code.into();
        return Fault::Refused(step, Refusal { code, words });
    }
    Fault::Ended(match find::<io::Error>(error) {
        Some(error) => wire::broken(error),
        None => Failure::new(
            Class::Transient,
            "the server closed the connection, or does not answer as an SMTP server does",
        ),
    })
}

/// Without the password in the forms in which it was sent.
fn hidden(words: &str, login: Option<&Login>) -> String {
    let Some(Login {
        username, password, ..
    }) = login
    else {
        return words.to_owned();
    };
    let password = password.expose_secret();
    let plain = BASE64_STANDARD.encode(format!("\0{username}\0{password}"));
    let xoauth2 =
        BASE64_STANDARD.encode(format!("user={username}\x01auth=Bearer {password}\x01\x01"));
    let alone = BASE64_STANDARD.encode(password);
    let forms = [plain.as_str(), &xoauth2, &alone, password];
    forms
        .iter()
        .fold(words.to_owned(), |words, form| words.replace(form, "***"))
}
