"""A mail server for tests: aiosmtpd with TLS, a login, and answers that a test chooses.

Arguments: the folder for mails, the mode (implicit, starttls or plain), a PEM file with certificate and key, `user:password` or
nothing, and JSON with lists of answers for AUTH, MAIL, `RCPT address`, DATA and QUIT. Each answer is given once, the last one again and
again. `close` closes the connection, `hang` never answers, an empty text accepts.
"""

import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, mode, pem, login, answers = sys.argv[1:6]
folder = pathlib.Path(folder)
answers = json.loads(answers)


async def answer(server, step):
    given = answers.get(step, [])
    chosen = given[0] if given else ""
    if len(given) > 1:
        given.pop(0)
    if chosen == "hang":
        await asyncio.sleep(3600)
    if chosen == "close":
        server.transport.close()
        await asyncio.sleep(3600)
    return chosen


def noted(name, value):
    number = len(list(folder.iterdir()))
    part = folder.with_suffix(f".{number}")
    part.write_text(json.dumps(value))
    part.rename(folder / f"{number:04}-{name}.json")


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        chosen = await answer(server, "MAIL")
        if chosen:
            return chosen
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        chosen = await answer(server, f"RCPT {address}")
        if chosen:
            return chosen
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        chosen = await answer(server, "DATA")
        if chosen:
            return chosen
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [part for part in mail.walk() if not part.is_multipart()]
        noted("mail", {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or mode == "implicit",
            "user": session.auth_data,
            "headers": [[name.lower(), str(value)] for name, value in mail.items()],
            "types": [part.get_content_type() for part in parts],
            "parts": [part.get_content().replace("\r\n", "\n") for part in parts],
            "defects": [str(defect) for part in mail.walk() for defect in part.defects],
            "raw": envelope.content.decode("ascii"),
        })
        return "250 2.0.0 Ok: queued as 4XyZ"

    async def handle_QUIT(self, server, session, envelope):
        await answer(server, "QUIT")
        return "221 Bye"


def authenticator(server, session, envelope, mechanism, data):
    given = answers.get("AUTH", [])
    if given:
        return AuthResult(success=False, handled=False, message=given[0])
    user, _, password = login.partition(":")
    right = data.login.decode() == user and data.password.decode() == password
    return AuthResult(success=right, handled=False, auth_data=user)


def protocol():
    return SMTP(
        Handler(),
        hostname="mail.example.com",
        tls_context=context if mode == "starttls" else None,
        require_starttls=mode == "starttls",
        authenticator=authenticator if login else None,
        auth_required=bool(login),
        auth_require_tls=mode == "starttls",
    )


async def main():
    loop = asyncio.get_running_loop()
    secured = context if mode == "implicit" else None
    port = int(sys.argv[6])
    server = await loop.create_server(protocol, "127.0.0.1", port, ssl=secured)
    print("ready", flush=True)
    await server.serve_forever()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(pem)
folder.mkdir(parents=True, exist_ok=True)
asyncio.run(main())
