"""Google's Compute Engine as far as provision-gcp.yml asks it: instances and firewall rules, answered as Google does.

The modules ask two names over HTTPS; in the cage these lead here, by a hosts file and an authority for certificates of the
run's own. A machine that is made gets the address of the next of the test's hosts, so that the playbook goes on to real
ones. Every answer has the shape of Google's: links in full, an operation that is not done at once, fields that nobody
asked for. What was asked for is kept in `asked`.

    cloud = Cloud(folder, addresses)          # inside the cage; its environment is set for what is started from now on
    cloud.credentials                         # a file of a service account
"""
import http.server
import json
import os
import pathlib
import re
import ssl
import threading

from .shell import run

LINK = "https://www.googleapis.com/compute/v1/"
NAMES = ["compute.googleapis.com", "www.googleapis.com"]
PATH = re.compile(r"/compute/v1/(projects/\w+/(?:global|zones/([\w-]+)))/(firewalls|instances|operations)(?:/([\w-]+))?$")
TOKEN = "of-the-test"


class Cloud:
    def __init__(self, folder, addresses):
        self.folder, self.addresses = pathlib.Path(folder), list(addresses)
        self.kept, self.operations, self.asked = {}, {}, []
        self.folder.mkdir()
        self.certify()
        tokens = self.listen(0)
        self.credentials = self.folder / "account.json"
        self.credentials.write_text(json.dumps({
            "type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": (self.folder / "account.key").read_text(),
            "client_email": "test@p.iam.gserviceaccount.com", "client_id": "1", "token_uri": f"http://127.0.0.1:{tokens.server_port}/"}))
        hosts = self.folder / "hosts"
        hosts.write_text(pathlib.Path("/etc/hosts").read_text() + f"\n127.0.0.1 {' '.join(NAMES)}\n")
        run("mount", "--bind", hosts, "/etc/hosts")
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.folder / "ca.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        self.listen(443, context)

    def certify(self):
        def openssl(*words):
            run("openssl", *words, cwd=self.folder)
        openssl("genrsa", "-traditional", "-out", "account.key", "2048")
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={NAMES[0]}")
        (self.folder / "names").write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES))
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
                "-days", "2", "-extfile", "names")

    def listen(self, port, context=None):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), type("Bound", (Request,), {"cloud": self}))
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    # -- what is asked -------------------------------------------------------------------------------------
    def answer(self, method, path, body):
        """(status, answer) to one request."""
        found = PATH.match(path)
        if not found:
            return 404, error(404, f"no such path: {path}")
        where, zone, kind, name = found.groups()
        self.asked.append((method, path, body))
        if kind == "operations":
            return 200, {**self.operations[name], "status": "DONE"}
        key = f"{where}/{kind}/{name or body['name']}"
        if method == "GET":
            return (200, self.kept[key]) if key in self.kept else (404, error(404, f"no {key}"))
        if method == "POST" and name is None:
            wrong = self.make(key, where, zone, kind, body)
            if wrong:
                return 400, error(400, wrong)
        elif method == "DELETE":
            self.kept.pop(key)
        else:
            return 400, error(400, f"{method} is not expected here")
        number = f"operation-{len(self.operations)}"
        self.operations[number] = {"kind": "compute#operation", "name": number, "status": "RUNNING", "targetLink": LINK + key}
        return 200, self.operations[number]

    def make(self, key, where, zone, kind, body):
        """Why it cannot be, or None."""
        network = body["network"] if kind == "firewalls" else body["networkInterfaces"][0]["network"]
        if not re.fullmatch(LINK + r"projects/\w+/global/networks/\w+", network):
            return f"Invalid value for field 'network': '{network}'"
        if kind == "firewalls":
            self.kept[key] = {**body, "id": "1", "selfLink": LINK + key, "direction": "INGRESS", "disabled": False, "logConfig": {"enable": False}}
            return None
        address = self.addresses.pop(0)
        door = {**body["networkInterfaces"][0]["accessConfigs"][0], "kind": "compute#accessConfig", "natIP": address, "networkTier": "PREMIUM"}
        self.kept[key] = {
            "kind": "compute#instance", "id": "2", "name": body["name"], "selfLink": LINK + key, "zone": LINK + where, "status": "RUNNING",
            "machineType": body["machineType"], "tags": {**body["tags"], "fingerprint": "a="}, "labelFingerprint": "b=",
            "metadata": {**body["metadata"], "kind": "compute#metadata", "fingerprint": "c="}, "canIpForward": False, "deletionProtection": False,
            "scheduling": {"onHostMaintenance": "MIGRATE", "automaticRestart": True, "preemptible": False},
            "disks": [{"kind": "compute#attachedDisk", "boot": True, "autoDelete": True, "index": 0, "mode": "READ_WRITE", "type": "PERSISTENT"}],
            "networkInterfaces": [{"kind": "compute#networkInterface", "name": "nic0", "network": network, "networkIP": address,
                                   "subnetwork": f"{LINK}projects/p/regions/{zone[:-2]}/subnetworks/default", "accessConfigs": [door]}]}
        return None


def error(code, message):
    return {"error": {"code": code, "message": message, "errors": [{"message": message}]}}


class Request(http.server.BaseHTTPRequestHandler):
    cloud = None

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "POST" and self.path == "/":
            status, answer = 200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, answer = 401, error(401, "who are you?")
        else:
            status, answer = self.cloud.answer(self.command, self.path, json.loads(body or b"null"))
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # names of http.server's

    def log_message(self, *_):
        pass
