"""Makes one connection with Python's ssl and prints what the server says.

Options: --port N on 127.0.0.1, --name HOST that the server must have, --root F, and --cert F with
--key F unless the client is to have no certificate. Another exit code than 0 means that nothing was
answered; the reason is on standard error.
"""

import argparse
import socket
import ssl
import sys

# No server here takes long; one that hangs fails the test instead of blocking it.
PATIENCE_SECONDS = 60


def ask(words):
    context = ssl.create_default_context(cafile=words.root)
    if words.cert:
        context.load_cert_chain(words.cert, words.key)
    with socket.create_connection(("127.0.0.1", words.port), PATIENCE_SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname=words.name) as secure:
            answer = b""
            while part := secure.recv(4096):
                answer += part
            return answer.decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    for word in ("--name", "--root"):
        parser.add_argument(word, required=True)
    for word in ("--cert", "--key"):
        parser.add_argument(word)
    try:
        answer = ask(parser.parse_args())
    except OSError as refused:
        sys.exit(f"{type(refused).__name__}: {refused}")
    if not answer:
        sys.exit("closed without an answer")
    print(answer, end="")


main()
