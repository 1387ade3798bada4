from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from rehost.stages.convert.identity import edit_hosts, edit_red_hat_6, host_key


def test_hosts_get_the_new_name_where_the_old_stood_alone():
    text = "127.0.1.1 db1.example.org db1\n10.0.0.2 db10 web-db1 db1-old\n# db1 was here\n"
    assert edit_hosts(text, "db1", "clone") == (
        "127.0.1.1 clone.example.org clone\n10.0.0.2 db10 web-db1 db1-old\n# db1 was here\n"
    )


def test_name_with_a_domain_is_no_pattern():
    assert edit_hosts("1.2.3.4 dbXexample\n", "db.example", "new") == "1.2.3.4 dbXexample\n"
    assert edit_hosts("1.2.3.4 db.example\n", "db.example", "a\\1b") == "1.2.3.4 a\\1b\n"


def test_short_name_follows_the_long_one_and_localhost_stays():
    text = "127.0.0.1 localhost\n127.0.1.1 db.example.org db\n"
    assert edit_hosts(text, "db.example.org", "web.example.org") == (
        "127.0.0.1 localhost\n127.0.1.1 web.example.org web\n"
    )
    assert edit_hosts(text, "localhost", "web") == text
    red_hat = "127.0.0.1 localhost localhost.localdomain localhost4.localdomain4\n"
    assert edit_hosts(red_hat, "localhost.localdomain", "web.example.org") == red_hat


def test_addresses_in_hosts_are_no_names():
    text = "fd00::db1 db1.example.org db1\n\tdb1::1\tdb1\n\n"
    assert edit_hosts(text, "db1", "web") == "fd00::db1 web.example.org web\n\tdb1::1\tweb\n\n"


def test_names_in_hosts_done_again_stay():
    text = "127.0.1.1 db.example.org db\n"
    for old, new in (("db", "db.example.org"), ("db", "db-2"), ("db.example.org", "db")):
        once = edit_hosts(text, old, new)
        assert edit_hosts(once, old, new) == once


def test_red_hat_6():
    assert edit_red_hat_6("A=1\nHOSTNAME=old\nB=2\n", "new") == "A=1\nHOSTNAME=new\nB=2\n"


def test_host_key_is_of_the_kind_of_its_file():
    for kind, name in (("rsa", b"ssh-rsa"), ("ecdsa", b"ecdsa-sha2-"), ("ed25519", b"ssh-ed25519")):
        pair = host_key(f"/etc/ssh/ssh_host_{kind}_key", "root@db2")
        assert pair
        assert pair.public.startswith(name)
        assert pair.public.endswith(b" root@db2\n")
        public = load_ssh_private_key(pair.private, None).public_key()
        assert public == load_ssh_public_key(pair.public)
    assert host_key("/etc/ssh/ssh_host_dsa_key", "") is None


def test_each_key_is_new():
    path = "/etc/ssh/ssh_host_ed25519_key"
    assert host_key(path, "") != host_key(path, "")
