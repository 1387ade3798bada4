from rehost.agent.progress import consistency, progress_body

MIB = 1 << 20


def disk(*unreadable):
    places = [{"offset": offset, "length": length} for offset, length in unreadable]
    return {
        "id": 0,
        "name": "/dev/vda",
        "total": 100 * MIB,
        "done": 50 * MIB,
        "sent": 40 * MIB,
        "verified": 100 * MIB,
        "unreadable": places,
    }


def progress(one):
    return {
        "disks": [one],
        "rate": 1.0,
        "wire_rate": 1_000_000.0,
        "ratio": 2.0,
        "remaining_s": 3.5,
        "trouble": "",
    }


def test_progress_is_in_the_words_of_the_api():
    body = progress_body("START", {"progress": progress(disk()), "phase": "copying"})
    assert body == {
        "subtask_name": "MIGRATE_LINUX_BLOCK",
        "progress": 50,
        "replicatesize": 50 * MIB,
        "totalsize": 100 * MIB,
        "process_trace": "",
        "migrate_speed": 8.0,
        "compress_rate": 2.0,
        "remain_time": 3,
    }


def test_what_could_not_be_read_is_named():
    told = {"progress": progress(disk((8192, 4096), (MIB, 4096)))}
    assert progress_body("START", told)["process_trace"] == (
        "cannot be read, and are zeros: 4096 bytes at 8192 of /dev/vda, "
        "4096 bytes at 1048576 of /dev/vda"
    )


def test_thousands_of_such_places_are_summed_up():
    told = {"progress": progress(disk(*((n * 8192, 4096) for n in range(5000))))}
    trace = progress_body("START", told)["process_trace"]
    assert trace.endswith(f"{4992 * 4096} bytes in 4992 other places")


def test_what_could_not_be_read_is_not_the_same():
    lost = progress(disk((3 * MIB + 4096, 4096), (7 * MIB, 4096)))
    differed = {"0": [{"offset": 7 * MIB, "length": MIB}]}
    [row] = consistency({"verified": {"differed": differed}}, lost)
    assert (row["num_total_files"], row["num_different_files"]) == (100, 2)
