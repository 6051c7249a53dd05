"""Command lines as people and tools write them: what must be masked, and what must stay."""

from __future__ import annotations

import pytest

from otel_killsnoop.processes.redact import redact

S = "hunter2XyZ"  # the secret in every masked form below
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
B64 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzK8aQ1EXAMPLE5"
HEX48 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c"

# | parts arguments; S must be gone from what is shown.
MASKED = [
    f"app|--password|{S}",
    f"app|--password={S}",
    f"app|-password|{S}",
    f"app|--PASSWORD={S}",
    f"app|--db-password|{S}",
    f"app|--dbPassword={S}",
    f"app|--db_passwd={S}",
    f"app|--passphrase|{S}",
    f"app|--token|{S}",
    f"app|--token={S}",
    f"app|--auth-token={S}",
    f"app|--access_token|{S}",
    f"app|--refreshToken={S}",
    f"app|--api-key|{S}",
    f"app|--api-key={S}",
    f"app|--apikey={S}",
    f"app|--x-api-key={S}",
    f"app|--secret|{S}",
    f"app|--client-secret={S}",
    f"app|--secret-key|{S}",
    f"app|--secret-access-key={S}",
    f"app|--private-key|{S}",
    f"app|--encryption-key={S}",
    f"app|--credentials={S}",
    f"app|--auth={S}",
    f"app|--cookie={S}",
    f"app|--psk|{S}",
    f"app|--otp={S}",
    f"app|--storepass|{S}",
    f"keytool|-storepass|{S}|-keypass|{S}",
    f"app|--password|-{S}",
    f"app|--password=a {S}; & |b",
    f"env|PGPASSWORD={S}|psql",
    f"env|MYSQL_PWD={S}|mysql",
    f"env|AWS_SECRET_ACCESS_KEY={S}|aws|s3|ls",
    f"env|GITHUB_TOKEN={S}|gh|pr|list",
    f"env|REDISCLI_AUTH={S}|redis-cli",
    f"docker|run|-e|POSTGRES_PASSWORD={S}|postgres",
    f"docker|run|--env=POSTGRES_PASSWORD={S}|postgres",
    f"docker|run|-eMYSQL_ROOT_PASSWORD={S}|mysql",
    f"docker|login|-u|bob|-p|{S}",
    f"helm|install|x|--set|auth.rootPassword={S}",
    f"helm|install|x|--set=auth.password={S},replicas=2",
    f"java|-Djavax.net.ssl.keyStorePassword={S}|-jar|a.jar",
    f"java|-Dspring.datasource.password={S}",
    f"mysql|-uroot|-p{S}|db",
    f"/usr/bin/mysqldump|--user=root|-p{S}",
    f"sudo|-u|bob|mysql|-p{S}",
    f"docker|exec|db|mysql|-p{S}",
    f"mongosh|-u|bob|-p|{S}",
    f"sshpass|-p|{S}|ssh|host",
    f"sshpass|-p{S}|ssh|host",
    f"redis-cli|-a|{S}|ping",
    f"ldapsearch|-x|-w|{S}",
    f"curl|-u|bob:{S}|http://h",
    f"curl|-ubob:{S}|http://h",
    f"curl|--user|bob:{S}|http://h",
    f"curl|--proxy-user|bob:{S}|http://h",
    f"curl|-H|Authorization: Bearer {S}|http://h",
    f"curl|-H|Authorization: Basic {S}",
    f"curl|-H|authorization: {S}",
    f"curl|-HX-Api-Key: {S}",
    f"curl|-H|X-Vault-Token: {S}",
    f"curl|-H|PRIVATE-TOKEN: {S}",
    f"curl|-H|Cookie: session={S}; a=b",
    f'curl|-d|{{"user": "bob", "password": "{S}"}}',
    f'curl|-d|{{"apiKey":"{S}"}}',
    f"curl|-d|user=bob&password={S}&x=1",
    f"curl|http://h/?token={S}&x=1",
    f"curl|https://h/x?X-Amz-Signature={S}",
    f"curl|https://h/x?sv=1&sig={S}",
    f"psql|postgres://bob:{S}@h/db",
    f"psql|postgresql://bob:a@{S}@h:5432/db",
    f"psql|postgresql://bob:a/{S}@h:5432/db",
    f"app|redis://:{S}@h:6379/0",
    f"git|clone|https://x-access-token:{S}@github.com/a/b",
    f"app|--dsn=amqp://guest:{S}@h//",
    f"psql|host=h user=bob password={S} dbname=x",
    f"app|Server=h;Database=d;User Id=sa;Password={S};Encrypt=yes",
    f"sqlcmd|-S|h|-U|sa|-P|{S}",
    f"smbclient|//h/share|-U|bob%{S}",
    f"ipmitool|-H|h|-U|root|-P|{S}|chassis",
    f"openssl|enc|-aes-256-cbc|-k|{S}",
    f"openssl|rsa|-passin|pass:{S}",
    f"zip|-P|{S}|a.zip|b",
    f"7z|x|-p{S}|a.7z",
    f"aws|configure|set|aws_secret_access_key|{S}",
    f"npm|config|set|//r.example/:_authToken={S}",
    f"snmpwalk|-v2c|-c|{S}|host",
    f"ssh-keygen|-t|rsa|-N|{S}",
    f"usermod|-p|{S}|bob",
    f"lftp|-u|bob,{S}|h",
    f"winexe|-U|dom/bob%{S}|//h|cmd",
    f"curl|-b|sid={S}|http://h",
    f"curl|--oauth2-bearer|{S}",
    f"mount|-o|username=bob,password={S}",
    f"psql|postgresql:///db?user=bob&password={S}",
    f"app|Endpoint=sb://h/;SharedAccessKeyName=a;SharedAccessKey={S}",
    f"app|AccountName=a;AccountKey={S};EndpointSuffix=core.example",
    f"sh|-c|password={S} exec app",
    f"sh|-c|export DB_PASSWORD='{S} x'; app",
    f'bash|-c|app --password "{S}" --verbose',
    f"bash|-c|app --token {S} && true",
    f"bash|-c|mysql -uroot -p{S} -e 'select 1'",
    f"bash|-c|echo x | sshpass -p {S} ssh h",
    f"bash|-c|curl -H 'Authorization: Bearer {S}' http://h",
    f'bash|-c|curl -u "bob:{S}" http://h',
    f"su|-c|sh -c 'mysql -p{S}'",
    f"daemon: --password {S} -v",
    f"ansible-playbook|-e|ansible_become_pass={S}",
    f"app|--config|password: {S}",
    f"app|-----BEGIN RSA PRIVATE KEY-----\n{S}\n-----END RSA PRIVATE KEY-----",
    f"app|-----BEGIN OPENSSH PRIVATE KEY-----\n{S}",
]
SHAPED = [
    JWT,
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "LTAI5tQnKxyzABCDEFGH1234",
    "c/8Yj9LRNmWyB79NAh0i2UJCzYpnB9b3oYfh/iFuMV9S55p/pw==",
    B64,
    HEX48,
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789",
    "glpat-20charslong_abcdEFGH",
    "xoxb-123456789012-abcdefABCDEF",
    "sk-proj-abcdefghijklmnopqrst1234",
    "sk_live_abcdefghijklmnop1234",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "npm_abcdefghijklmnopqrstuvwxyz0123456789",
    "SG.abcdefghijklmnopqr.stuvwxyz0123456789ABCDEF",
    "hvs.CAESIJabcdefghijklmnopqrstu",
    "dckr_pat_abcdefghijklmnopqrstuv12345",
    "123456789:AAabcdefghijklmnopqrstuvwxyz0123456",
    "k8Xq2ZpL9vRt4Wm7Yb3Nc6Hd1Js5Fg0aQwEr",
]

KEPT = [
    "git|show|da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "app|--id|123e4567-e89b-12d3-a456-426614174000",
    "app|123E4567-E89B-12D3-A456-426614174000",
    "containerd-shim|-id|e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "docker|pull|a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "app|d41d8cd98f00b204e9800998ecf8427e",
    "cat|/usr/share/doc/libpam-passwdqc/README",
    "app|/var/lib/docker/overlay2/l/ABCDEFGHIJKLMNOPQRSTUV2345",
    "app|/nix/store/3n58xw4373jp0ljirf06d8077j15pc4j-glibc-2.37-8/lib/ld.so",
    "app|/home/bob/Projects/MyVeryLongProjectName2024/Source1/Main.java",
    "app|include/llvm-14/llvm/ADT/IntrusiveRefCntPtr.h",
    "app|src/main/java/org/acme/project/V2Api/Handler3.java",
    "app|./node_modules/.bin/webpack-dev-server-with-a-long-name-4X",
    "java|-XX:+UseG1GC|-XX:MaxGCPauseMillis=200|-Xmx4g",
    "java|org.springframework.boot.loader.launch.JarLauncher",
    "java|-Dcom.sun.management.jmxremote.authenticate=false",
    "chrome|--password-store=basic",
    "chrome|--type=renderer|--field-trial-handle=0,i,1234,262144",
    "app|--password-file=/etc/app/password",
    "app|--password-file|/etc/app/password",
    "app|--token-path|/run/token",
    "app|--token-file=/run/token",
    "app|--token-ttl|5m",
    "app|--max-tokens|100",
    "app|--tokenizer|gpt2",
    "app|--num-tokens=12",
    "app|--no-password",
    "app|--ask-pass|host",
    "app|--password-stdin",
    "app|--require-auth|true",
    "app|--auth-type|basic",
    "app|--auth-method=oidc",
    "app|--password=|x",
    "app|--secret-name|db",
    "app|--key-id|abc",
    "app|--key|name",
    "app|--keyring|/etc/k",
    "app|--primary-key=id",
    "app|--sort-key|date",
    "app|--private-key|/etc/ssl/private/a.pem",
    "app|--private-key=~/.ssh/id_ed25519",
    "app|--credentials=/etc/app.json",
    "app|--secret|id=npm,src=/x",
    "app|--bypass|all",
    "app|--bypass=all",
    "app|--compass=north",
    "ffmpeg|-pass|1|-i|a.mkv",
    "x264|--pass|2",
    "app|--monkey|banana",
    "app|--keyboard=us",
    "app|--author|Bob Smith",
    "app|--authority=h:80",
    "kubectl|get|secret|db-credentials|-o|yaml",
    "kubectl|create|token|default",
    "passwd|bob",
    "cat|/etc/passwd",
    "vault|token|lookup",
    "vim|password.txt",
    "grep|-r|password|src",
    "openssl|rsa|-passin|env:PW",
    "openssl|rsa|-passin|file:/etc/pw",
    "env|PWD=/srv|OLDPWD=/|app",
    "env|HOME=/root|PATH=/bin:/usr/bin|app",
    "ssh|git@github.com",
    "git|clone|ssh://git@github.com/a/b",
    "git|clone|git@github.com:a/b.git",
    "curl|http://h:8080/a@b",
    "curl|http://[::1]:8080/a@b",
    "curl|http://user@host/path",
    "curl|https://h/p?page=2&sort=asc",
    "curl|-u|bob|http://h",
    "curl|-H|Content-Type: application/json",
    "curl|-H|Accept: text/html",
    "docker|run|-u|1000:1000|--user|1000:1000|img",
    "docker|run|-p|8080:80",
    "nc|-p|8080",
    "mkdir|-p|/srv/a/b",
    "ps|-p|1234",
    "tar|-pxf|a.tar",
    "ssh|-p|2222|host",
    "sh|-c|mysql -p$PASSWORD",
    "sh|-c|app --password $DB_PASSWORD",
    "sh|-c|TOKEN=${GITHUB_TOKEN} app",
    "sh|-c|curl -H 'Authorization: $AUTH' h",
    "sh|-c|ls -la /srv; echo done",
    "nginx: worker process",
    "postgres: bob shop 10.0.0.1(51234) idle",
    "sshd: bob@pts/0",
    "rustc|--crate-name|foo|-C|metadata=9f86d081884c7d65",
    "cc|-march=x86-64-v3|-fstack-protector-strong|-Wl,--as-needed",
    "openssl|s_client|-cipher|TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "app|ssh-ed25519|AAAAC3NzaC1lZDI1NTE5AAAAIJ4rX2v1Qq8Yt6Zk3Lm9Np0Rs5Tu7Vw1Xy2Za3Bc4De5",
    "npm|i|sha512-9f86D081884c7d659a2fEAA0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08Aa==",
    "k|my-app-deployment-7d4b9c6f5d-x2x8z-and-a-long-tail",
    "k|ip-10-0-12-34.eu-west-1.compute.internal",
    "kworker|u8:2-events_unbound",
    "systemd|--switched-root|--system|--deserialize|31",
    "app|20241124T160044Z",
    "app|11111111111111111111111111111111111111111111111111",
    "app|==================================================",
    "app|--------------------------------------------------",
    "app|HANDLE_VERY_LONG_CONSTANT_NAME_OF_SOMETHING_V2",
    "app|AbstractSingletonProxyFactoryBeanPostProcessor2Impl",
]


def args_of(line: str) -> tuple[bytes, ...]:
    return tuple(part.encode() for part in line.split("|"))


@pytest.mark.parametrize("line", MASKED)
def test_a_secret_is_masked(line: str) -> None:
    shown, masked = redact(args_of(line))
    assert S.encode() not in b"\0".join(shown)
    assert b"***" in b"\0".join(shown)
    assert 1 <= masked <= 2
    assert len(shown) == len(args_of(line))
    assert shown[0] == args_of(line)[0] or b"***" in shown[0]


@pytest.mark.parametrize(
    ("token", "form"),
    [
        (token, form)
        for token in SHAPED
        for form in ("{}", "--x={}", "https://h/{}", "a {} b", "x:{}", '"{}"')
        # In a URL a slash parts a token into pieces too short to judge.
        if not ("://" in form and "/" in token)
    ],
)
def test_a_secret_by_shape_is_masked_wherever_it_stands(token: str, form: str) -> None:
    shown, masked = redact((b"app", form.format(token).encode()))
    assert shown == (b"app", form.format("***").encode())
    assert masked == 1


@pytest.mark.parametrize("line", KEPT)
def test_what_only_looks_like_a_secret_is_kept(line: str) -> None:
    assert redact(args_of(line)) == (args_of(line), 0)


def test_the_corpus_is_as_large_as_it_claims() -> None:
    assert len(set(MASKED)) >= 80
    assert len(set(KEPT)) >= 80
