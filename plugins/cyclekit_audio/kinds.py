"""Which files are sound, by their names and by how they begin."""

SUFFIXES = frozenset({
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2",
    ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".nist", ".voc", ".svx", ".8svx",
    ".sd2", ".paf", ".pvf", ".xi", ".avr", ".ircam", ".sf", ".sds", ".wve",
})  # fmt: skip
OTHER_SUFFIXES = frozenset({
    ".m4a", ".m4b", ".aac", ".wma", ".mp4", ".3gp", ".3ga", ".amr", ".awb", ".webm", ".weba",
    ".mka", ".ac3", ".ape", ".wv", ".tta", ".mpc", ".dsf", ".dff", ".shn", ".ra", ".spx",
})  # fmt: skip
"""Of sound that libsndfile does not read: named, with a way out."""

NEVER_MPEG = (b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"dns.", b"riff", b"NIST_1A")
_OTHERS = {
    (4, b"ftyp"): "MPEG-4",
    (0, b"\x1a\x45\xdf\xa3"): "Matroska or WebM",
    (0, b"\x30\x26\xb2\x75"): "Windows Media",
    (0, b"#!AMR"): "AMR",
    (0, b"\xff\xf1"): "AAC",
    (0, b"\xff\xf9"): "AAC",
    (0, b"\x0b\x77"): "AC-3",
    (0, b"MAC "): "Monkey's Audio",
    (0, b"wvpk"): "WavPack",
    (0, b"TTA1"): "True Audio",
    (0, b"MPCK"): "Musepack",
    (0, b"DSD "): "DSD",
    (0, b"FRM8"): "DSD",
    (0, b"ajkg"): "Shorten",
}


def is_sound(head: bytes) -> bool:
    """Whether a file that begins so is sound of a kind that libsndfile knows."""
    if head.startswith((b"RIFF", b"RIFX", b"RF64", b"BW64")):
        return head[8:12] == b"WAVE"
    if head.startswith(b"FORM"):
        return head[8:12] in (b"AIFF", b"AIFC", b"8SVX", b"16SV")
    return head.startswith((*NEVER_MPEG, b"ID3"))


def other_kind(head: bytes) -> str | None:
    """What a file that begins so is, if it is sound that libsndfile does not read."""
    for (place, magic), name in _OTHERS.items():
        if head[place:].startswith(magic):
            return name
    return None
