"""What is secret: names of options and variables, shapes of tokens, options of known programs.

Data and the one rule on names; how they are used is in ``redact``.
"""

from __future__ import annotations

import re

from otel_killsnoop.processes.randomness import LEAST, RUN

# --- names: the last word decides ---------------------------------------------------------------

_ENDINGS = (
    b"password", b"passwd", b"passwort", b"passphrase", b"passcode", b"passwrd", b"secret",
    b"secrets", b"token", b"apikey", b"secretkey", b"accesskey", b"privatekey", b"authkey",
    b"masterkey", b"accountkey", b"sharedkey", b"licensekey", b"credential", b"credentials",
    b"authorization", b"pwd",
)  # fmt: skip
_WORDS = frozenset(
    b"pass pw passwords creds cred cookie cookies bearer psk auth basicauth userpass dbpass "
    b"storepass keypass rootpass adminpass dbpw sig signature otp totp mfa".split()
)
# "key" alone may be a file or an index; with one of these before it, it is a secret.
_KEY_OWNERS = frozenset(
    b"api access secret private encryption encrypt signing sign shared account storage master "
    b"session auth license preshared service subscription app consumer hmac aes des jwt cookie "
    b"admin write read deploy root unseal recovery".split()
)
# Said first, they make a switch of it: --no-password, --ask-pass, --max-token.
_SWITCHES = frozenset(
    b"no ask prompt show hide disable enable skip require allow num max min is has".split()
)
_NOT = frozenset({b"pwd", b"oldpwd"})  # the shell's own: the working directory

_SPLIT = re.compile(rb"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def is_secret_name(name: bytes) -> bool:
    """Whether a value of that name is to be masked. name: as written, with or without dashes."""
    bare = name.lstrip(b"-")
    if len(bare) > 128:
        bare = bare[-128:]
    lowered = bare.lower()
    if lowered in _NOT:
        return False
    words = [word.lower() for word in _SPLIT.findall(bare)]
    while len(words) > 1 and words[-1].isdigit():
        words.pop()
    if not words or words[0] in _SWITCHES:
        return False
    last = words[-1]
    # The name as it stands ends in a secret word, whatever its capitals: PgPassWord, APIKEY.
    squeezed = re.sub(rb"[^a-z]+$|[_.-]", b"", lowered)
    if last in _WORDS or last.endswith(_ENDINGS):
        return True
    if last == b"key":
        return len(words) > 1 and words[-2] in _KEY_OWNERS
    return len(last) <= 4 and squeezed.endswith(_ENDINGS) and last in (b"word", b"wd", b"key")


def is_key_name(name: bytes) -> bool:
    """Whether what is named may as well be a file with the secret in it: kept when it is."""
    return bool(re.search(rb"(?i)(key|credentials?|secrets?|cookies?|auth|cert)$", name))


# --- shapes: secret wherever they stand ---------------------------------------------------------

SHAPES = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?s:.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z))"
    rb"|(?<![A-Za-z0-9])(?:"
    rb"eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+){0,3}"  # JWT, JWE
    rb"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"  # AWS
    rb"|LTAI[A-Za-z0-9]{12,20}(?![A-Za-z0-9])"  # Alibaba
    rb"|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}+|GOCSPX-[A-Za-z0-9_-]{20,}+"  # Google
    rb"|gh[pousr]_[A-Za-z0-9]{30,}+|github_pat_[A-Za-z0-9_]{30,}+|glpat-[A-Za-z0-9_.-]{20,}+"
    rb"|gl(?:rt|dt|ptt|ft|imt|agent|oas|cbt)-[A-Za-z0-9_.-]{20,}+"
    rb"|xox[abeoprs]-[A-Za-z0-9-]{10,}+|xapp-[A-Za-z0-9-]{10,}+"  # Slack
    rb"|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}+|whsec_[A-Za-z0-9+/=]{16,}+"  # Stripe
    rb"|sk-[A-Za-z0-9_-]{20,}+|SG\.[A-Za-z0-9_-]{16,}+\.[A-Za-z0-9_-]{16,}+"
    rb"|npm_[A-Za-z0-9]{30,}+|pypi-[A-Za-z0-9_-]{30,}+|dop_v1_[a-f0-9]{40,}+"
    rb"|hv[sbr]\.[A-Za-z0-9_-]{20,}+|glsa_[A-Za-z0-9_]{30,}+|glc_[A-Za-z0-9+/=]{30,}+"
    rb"|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{30,}+|AGE-SECRET-KEY-1[A-Z0-9]{40,}+"
    rb"|dckr_pat_[A-Za-z0-9_-]{20,}+|tskey-[a-z]+-[A-Za-z0-9-]{16,}+|lin_api_[A-Za-z0-9]{30,}+"
    rb"|[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"  # Telegram bots
    rb")"
    rb"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,}+"
    rb"|(?<=/api/webhooks/)[0-9]{10,}/[A-Za-z0-9_-]{20,}+"
)

# In small letters: in what has none of these, no program's name and no long run there is no
# secret. Written as a tree of beginnings, because every command line is searched for them.
_TRACES = re.compile(
    rb"@|:aa|/api/webhooks/|a(?:uth|[ks]ia|bia|cca|iza)|bearer|c(?:red|ookie)|d(?:op_v1_|ckr_pat_)"
    rb"|eyj|g(?:h[pousr]_|ithub_pat_|ocspx-|l(?:(?:pat|rt|dt|ptt|ft|imt|agent|oas|cbt)-|s?[ac]_))"
    rb"|h(?:v[sbr]\.|ooks\.slack)|k(?:ey|_live_|_test_)|l(?:tai|in_api_)|mfa|npm_|otp"
    rb"|p(?:ass|w|sk|rivate|ypi-)|s(?:ecret|ig|k-|g\.|hp(?:at|ca|pa|ss)_)|token|w(?:or)?d|whsec_"
    rb"|x(?:ox|app-)|ya29\."
)

# Headers whose whole value is secret; the scheme before it is kept.
HEADER = re.compile(
    rb"(?i)(?<![A-Za-z0-9_-])(?:proxy-authorization|authorization|set-cookie|cookie"
    rb"|x-api-key|api-key|apikey|x-auth-token|x-auth-key|x-vault-token|x-access-token|x-csrf-token"
    rb"|x-amz-security-token|private-token|job-token|x-gitlab-token|x-consul-token|x-token"
    rb"|x-[a-z0-9-]{1,40}(?:token|key|secret|auth))"
    rb"[ \t]{0,8}:[ \t]{0,8}"
    rb"(?:(?:bearer|basic|token|digest|negotiate|apikey|aws4-hmac-sha256|splunk|bot)[ \t]{1,8})?"
)

# --- programs: options whose value is secret only there -----------------------------------------
# joined: options with their value in the same argument (-pSECRET); apart: in the next one
# (-p SECRET); pair: next one is user:secret, or with another sign between, of which the user
# is kept.


class Program:
    """How one program takes secrets."""

    def __init__(
        self,
        joined: tuple[bytes, ...] = (),
        apart: tuple[bytes, ...] = (),
        pair: tuple[bytes, ...] = (),
        separator: bytes = b":",
    ) -> None:
        self.joined = joined
        self.apart = apart
        self.pair = pair
        self.separator = separator


_MYSQL = Program(joined=(b"-p",))
_MONGO = Program(apart=(b"-p",))
_LDAP = Program(joined=(b"-w",), apart=(b"-w",))
_HTTP = Program(
    joined=(b"-u", b"-U"),
    apart=(b"-b",),  # cookies; the name of a file with them goes as well
    pair=(b"-u", b"-U", b"--user", b"--proxy-user", b"-a", b"--auth"),
)
_ARCHIVE = Program(joined=(b"-p", b"-hp"), apart=(b"-P",))
_SMB = Program(joined=(b"-U",), pair=(b"-U", b"--user"), separator=b"%")
_LOGIN = Program(  # docker login, az login, ...
    apart=(b"-p",)
)
_SNMP = Program(apart=(b"-c", b"-A", b"-X"))

PROGRAMS: dict[bytes, Program] = {
    name: program
    for names, program in {
        b"mysql mysqladmin mysqldump mysqlimport mysqlcheck mysqlshow mysqlslap mysqlpump "
        b"mysqlbinlog mariadb mariadb-admin mariadb-dump mariadb-check mycli xtrabackup": _MYSQL,
        b"mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat": _MONGO,
        b"ldapsearch ldapadd ldapmodify ldapdelete ldappasswd ldapwhoami ldapcompare": _LDAP,
        b"curl": _HTTP,
        b"http https": Program(pair=(b"-a", b"--auth")),
        b"7z 7za 7zr 7zz rar unrar": _ARCHIVE,
        b"zip unzip": Program(joined=(b"-P",), apart=(b"-P",)),
        b"smbclient smbmount rpcclient winexe smbget": _SMB,
        b"sshpass": Program(joined=(b"-p",), apart=(b"-p",)),
        b"redis-cli keydb-cli valkey-cli": Program(apart=(b"-a",)),
        b"sqlcmd bcp isql tsql": Program(joined=(b"-P",), apart=(b"-P",)),
        b"ipmitool": Program(apart=(b"-P", b"-k", b"-K")),
        b"mosquitto_pub mosquitto_sub mqttcli": Program(apart=(b"-P",)),
        b"snmpget snmpwalk snmpbulkwalk snmpset snmptrap snmpgetnext": _SNMP,
        b"login": _LOGIN,
        b"ssh-keygen": Program(apart=(b"-N", b"-P")),
        b"useradd usermod": Program(apart=(b"-p",)),
        b"lftp": Program(pair=(b"-u",), separator=b","),
        b"doctl": Program(apart=(b"-t",)),
        b"hydra": Program(apart=(b"-p",)),
        b"openssl": Program(apart=(b"-k", b"-K", b"-passin", b"-passout")),
        b"rdesktop": Program(joined=(b"-p",), apart=(b"-p",)),
        b"xfreerdp wlfreerdp": Program(joined=(b"/p:",)),
        b"cqlsh nodetool influx": Program(apart=(b"-p", b"-pw")),
        b"plink pscp psftp putty": Program(apart=(b"-pw",)),
    }.items()
    for name in names.split()
}

# --- the quick look -----------------------------------------------------------------------------

_NAMES = frozenset(PROGRAMS)
_APART = bytes.maketrans(b"\0\t\n\r\f\v\"';|&()/", b" " * 14)  # what stands around a program's name


def may_hold(text: bytes) -> bool:
    """Whether anything in a text (arguments with NULs between them, or one word) may be secret.

    False is certain, and so for most command lines: it saves reading them. A script with none of
    the traces needs no reading either, whatever it does.
    """
    small = text.lower()
    return (
        _TRACES.search(small) is not None
        or not _NAMES.isdisjoint(small.translate(_APART).split())
        or (len(text) >= LEAST and RUN.search(text) is not None)
    )
