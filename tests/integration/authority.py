"""Certificates for the tests of TLS, made by openssl."""

import subprocess
import time


class Authority:
    """Certificates, made by openssl."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        self.run("req", "-x509", *self.new(name), "-days", "90", "-subj", f"/CN={name}")
        self.ca = path / f"{name}.pem"
        (path / f"{name}.index").touch()
        (path / f"{name}.conf").write_text(
            f"""[ca]
default_ca = it
[it]
certificate = {name}.pem
private_key = {name}.key
database = {name}.index
rand_serial = yes
unique_subject = no
new_certs_dir = {path}
default_md = sha256
policy = any
[any]
commonName = supplied
"""
        )

    def run(self, *words):
        subprocess.run(["openssl", *map(str, words)], cwd=self.path, check=True, capture_output=True)

    def new(self, name):
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return [*ec, "-keyout", f"{name}.key", "-out", f"{name}.pem"]

    def issue(self, name, host="localhost", address="127.0.0.1", days=(-1, 60)):
        """Certificate and key of a name, valid between these days from now."""
        request = ["req", *self.new(name), "-subj", f"/CN={name}"]
        request[request.index("-out") + 1] = f"{name}.csr"
        self.run(*request)
        (self.path / f"{name}.ext").write_text(f"subjectAltName=DNS:{host},IP:{address}\n")
        begin, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + day * 86_400)) for day in days)
        dates = ["-startdate", begin, "-enddate", end]
        files = ["-in", f"{name}.csr", "-extfile", f"{name}.ext", "-out", f"{name}.pem"]
        self.run("ca", "-config", f"{self.name}.conf", "-batch", "-notext", *dates, *files)
        return self.path / f"{name}.pem", self.path / f"{name}.key"
