"""Parquet files as pyarrow writes them, with their values as JSON beside them. Run: .peers/venv/bin/python make.py"""

import base64
import datetime
import decimal
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
D = decimal.Decimal


def shown(value):
    """A value as rows show it, in JSON: 64-bit integers and decimals as texts, bytes in base 64, times as ISO 8601."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, datetime.date):
        return f"{value.isoformat()}T00:00:00.000Z"
    if isinstance(value, D):
        return str(value)
    return value


def write(name, table, big=(), **options):
    path = HERE / f"{name}.parquet"
    pq.write_table(table, path, **options)
    rows = [
        {key: str(value) if key in big and value is not None else shown(value) for key, value in row.items()}
        for row in table.to_pylist()
    ]
    (HERE / f"{name}.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def kinds():
    time = datetime.datetime(2001, 2, 3, 4, 5, 6, 789000)
    return pa.table(
        {
            "bool": pa.array([True, None, False, True], pa.bool_()),
            "int8": pa.array([-128, 127, None, 0], pa.int8()),
            "int16": pa.array([-32768, 32767, None, 0], pa.int16()),
            "int32": pa.array([-(2**31), 2**31 - 1, None, 0], pa.int32()),
            "int64": pa.array([-(2**63), 2**63 - 1, None, 2**53 + 1], pa.int64()),
            "uint8": pa.array([0, 255, None, 1], pa.uint8()),
            "uint16": pa.array([0, 65535, None, 1], pa.uint16()),
            "uint32": pa.array([0, 2**32 - 1, None, 1], pa.uint32()),
            "uint64": pa.array([0, 2**64 - 1, None, 1], pa.uint64()),
            "half": pa.array([0.5, -2.0, None, 1.25], pa.float16()),
            "float32": pa.array([0.5, -1.25, None, 1e30], pa.float32()),
            "float64": pa.array([0.1, -1.5, None, 1e300], pa.float64()),
            "text": pa.array(["a", "ü€😀", None, ""], pa.string()),
            "bytes": pa.array([b"a", b"\x00\xff", None, b""], pa.binary()),
            "fixed": pa.array([b"abc", b"\x00\xff\x01", None, b"xyz"], pa.binary(3)),
            "date": pa.array([datetime.date(2001, 2, 3), datetime.date(1960, 1, 1), None, datetime.date(1970, 1, 1)], pa.date32()),
            "ms": pa.array([time, datetime.datetime(1960, 1, 1), None, time], pa.timestamp("ms")),
            "us": pa.array([time, datetime.datetime(1960, 1, 1), None, time], pa.timestamp("us", tz="UTC")),
            "ns": pa.array([time, datetime.datetime(1960, 1, 1), None, time], pa.timestamp("ns")),
            "small": pa.array([D("1.23"), D("-99999.99"), None, D("0.00")], pa.decimal128(7, 2)),
            "large": pa.array([D("12345678901234567890123456.789"), D("-0.001"), None, D("0.000")], pa.decimal128(30, 3)),
            "word": pa.array(["x", "y", None, "x"], pa.string()).dictionary_encode(),
            "list": pa.array([[1, 2], [], None, [3]], pa.list_(pa.int32())),
            "nested": pa.array([[["a"], []], [], None, [["b", "c"]]], pa.list_(pa.list_(pa.string()))),
            "gaps": pa.array([[1.5, None], [], None, [None]], pa.list_(pa.float64())),
        }
    )


def records(bad=()):
    """The rows that every reader of the conformance suite reads; rows named by `bad` have an id beyond 32 bits."""
    names = ["plain", 'with "quotes", and commas', "two\nlines", "ü€😀", "", " spaces ", "tab\t", "last, or nearly", "x", "y"]
    return pa.table(
        {
            "id": pa.array([2**40 if i in bad else i for i in range(10)], pa.int64()),
            "name": pa.array(names, pa.string()),
            "score": pa.array([None if i % 3 == 2 else i / 4 for i in range(10)], pa.float64()),
            "further": pa.array(["not read"] * 10, pa.string()),
        }
    )


if __name__ == "__main__":
    big = ("int64", "uint64")
    for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
        write(f"kinds-{codec}", kinds(), big, compression=codec)
    write("kinds-v2", kinds(), big, compression="snappy", data_page_version="2.0", version="2.6", use_dictionary=False)
    write("kinds-int96", kinds().select(["us"]), use_deprecated_int96_timestamps=True)
    write("groups", pa.table({"n": pa.array(range(1000), pa.int64()), "t": pa.array([str(i % 7) for i in range(1000)])}), row_group_size=300, data_page_size=64, compression="snappy")
    write("empty", kinds().slice(0, 0), big)
    write("records", records(), row_group_size=4, compression="snappy")
    write("records-bad", records(bad=(2, 5, 9)), row_group_size=4, compression="snappy")
    (HERE / "versions.json").write_text(json.dumps({"pyarrow": pa.__version__}) + "\n")
