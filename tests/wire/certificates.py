"""A certificate authority of the test's own, made by the openssl program."""

import pathlib
import ssl
import subprocess

LEAF = """\
basicConstraints = CA:FALSE
keyUsage = digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


def openssl(*arguments, stdin=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=stdin,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.root = self.directory / "root.pem"
        self.root_key = self.directory / "root.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                "/CN=test root", "-keyout", self.root_key, "-out", self.root)

    def issue(self, file, *names, algorithm="ec", days=30):
        """FILE.pem and FILE.key in the folder, for those DNS names."""
        chain = self.directory / f"{file}.pem"
        key = self.directory / f"{file}.key"
        request = self.directory / f"{file}.csr"
        more = self.directory / f"{file}.cnf"
        kind = (["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
                if algorithm == "ec" else [algorithm])
        openssl("req", "-newkey", *kind, "-nodes", "-subj", f"/CN={file}",
                "-keyout", key, "-out", request)
        more.write_text(LEAF.format(names=",".join(
            [f"DNS:{name}" for name in names] + ["IP:127.0.0.1"])))
        leaf = openssl("x509", "-req", "-in", request, "-CA", self.root,
                       "-CAkey", self.root_key, "-CAcreateserial", "-days",
                       days, "-extfile", more)
        chain.write_text(leaf + self.root.read_text())
        return chain, key

    def client(self, **more):
        """An SSLContext that trusts this root alone."""
        context = ssl.create_default_context(cafile=str(self.root))
        for name, value in more.items():
            setattr(context, name, value)
        return context


def section(name, chain, key):
    return f'certificate "{name}" {{ chain = "{chain}"  key = "{key}" }}\n'
