from rehost.agent.progress import progress_body

MIB = 1 << 20


def disk(*unreadable):
    places = [{"offset": offset, "length": length} for offset, length in unreadable]
    return {
        "id": 0,
        "name": "/dev/vda",
        "total": 100 * MIB,
        "done": 50 * MIB,
        "sent": 40 * MIB,
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


def standing(**more):
    return {
        "passes": 3,
        "lag": 3 * MIB // 2,
        "lag_s": 1.24,
        "change_rate": 2.0 * MIB,
        "send_rate": 60.0 * MIB,
        "stall_s": 0.062,
        "converge_s": 0.0,
        **more,
    }


def trace(**more):
    told = {"progress": progress(disk()), "phase": "syncing", **more}
    return progress_body("SYNC", told)["process_trace"].split("; ")


def test_how_far_a_copy_is_behind_and_what_a_cut_would_cost():
    tracked = {"/dev/vda": {"tracker": "ebpf-mmap", "reason": ""}}
    assert trace(standing=standing(), trackers=tracked) == [
        "1.2 s behind, 1.5 MiB in the last pass",
        "a cut now would hold writes up for about 0.06 s",
        "changes are tracked by ebpf-mmap",
    ]


def test_nothing_is_said_of_what_is_not_known_yet():
    assert trace(standing=standing(passes=0)) == [""]
    unknown = {"change_rate": None, "send_rate": None, "stall_s": None, "converge_s": None}
    assert trace(standing=standing(**unknown)) == ["1.2 s behind, 1.5 MiB in the last pass"]


def test_a_source_that_outruns_the_link_is_told_with_both_figures():
    said = trace(standing=standing(change_rate=29.1 * MIB, send_rate=6.2 * MIB, converge_s=None))
    assert said[1] == (
        "the source writes 29.1 MiB/s and 6.2 MiB/s can be sent: it does not catch up"
    )


def test_when_it_is_in_step():
    assert trace(standing=standing(converge_s=0.2))[1] == "in step in about 1 s"
    assert trace(standing=standing(converge_s=41.7))[1] == "in step in about 42 s"


def test_a_disk_that_nothing_tracks_is_named():
    trackers = {
        "/dev/vda": {"tracker": "ebpf-mmap", "reason": ""},
        "/dev/vdb": {"tracker": "rescan", "reason": "no requests of this disk are seen"},
    }
    assert trace(trackers=trackers) == ["changes of /dev/vdb are found by comparing all of it"]


def cut(**more):
    result = {
        "moment": 1_764_092_074.719,
        "frozen": ["/", "/home"],
        "skipped": [],
        "duration_s": 0.048,
        "failed_hooks": [],
        **more,
    }
    return trace(standing=standing(), result={"cut": result})


def test_in_the_end_it_says_of_which_moment_the_copy_is():
    assert cut() == ["the copy is of 2025-11-25T17:34:34.719+00:00", "writes waited 0.05 s"]
    assert cut(frozen=[])[1] == "nothing was mounted"


def test_what_was_not_as_it_should_be_at_the_cut_is_said():
    said = cut(skipped=[["/boot/efi", "this filesystem cannot be frozen"]], failed_hooks=["db"])
    assert said[2:] == [
        "/boot/efi was not frozen: this filesystem cannot be frozen",
        "the copy is good, but hooks failed after the cut: db",
    ]


def test_a_comparison_and_one_that_will_be_skipped_are_told():
    assert trace(comparing=True, skip=True) == ["source and target are compared"]
    assert trace(comparing=False, skip=True) == [
        "the next comparison of source and target is skipped, as was asked for"
    ]
    assert trace(comparing=False, skip=False) == [""]
