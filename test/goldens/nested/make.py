"""Files with structs, maps, lists of them, views and runs, as pyarrow writes them, with what each leaf holds as JSON beside them. Run: .peers/venv/bin/python make.py"""

import decimal
import json
import pathlib

import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 24


def some(i, value, every=5):
    return None if i % every == 2 else value


city = pa.dictionary(pa.int32(), pa.string())
user = pa.struct([pa.field("id", pa.int64(), nullable=False), pa.field("address", pa.struct([("city", city), ("zip", pa.string())]))])
item = pa.struct([pa.field("sku", pa.string(), nullable=False), pa.field("prices", pa.list_(pa.decimal128(9, 2)))])
schema = pa.schema(
    [
        pa.field("n", pa.int32(), nullable=False),
        ("user", user),
        ("items", pa.list_(item)),
        ("tags", pa.map_(pa.string(), pa.struct([("a", pa.bool_()), ("b", pa.binary())]))),
        ("deep", pa.list_(pa.list_(pa.struct([("x", pa.float64())])))),
        pa.field("last", pa.string(), nullable=False),
    ]
)


def row(i):
    price = lambda k: some(i + k, decimal.Decimal(i * k) / 4, 4)
    return {
        "n": i,
        "user": some(i, {"id": 2**60 + i, "address": some(i, {"city": some(i, f"city {i % 3}", 3), "zip": f"{i:05}"}, 7)}),
        "items": some(i, [some(k, {"sku": f"s{k}", "prices": some(k, [price(j) for j in range(k)], 3)}, 6) for k in range(i % 5)], 9),
        "tags": some(i, [(f"k{k}", some(k, {"a": k % 2 == 0, "b": bytes([i, k])}, 4)) for k in range(i % 4)], 8),
        "deep": some(i, [some(k, [{"x": j / 8} for j in range(k)], 3) for k in range(i % 4)], 6),
        "last": "x" * (i % 3),
    }


rows = [row(i) for i in range(ROWS)]
table = pa.Table.from_pylist(rows, schema)
for version in ("1.0", "2.0"):
    pq.write_table(
        table, HERE / f"nested-{version}.parquet", data_page_version=version, row_group_size=10, data_page_size=60, write_batch_size=3, compression="none", write_page_index=True,
    )
with ipc.new_file(HERE / "nested.arrow", schema, options=ipc.IpcWriteOptions(unify_dictionaries=True)) as writer:
    writer.write_table(table, max_chunksize=9)
with ipc.new_stream(HERE / "nested.arrows", schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
    writer.write_table(table, max_chunksize=9)


def field_of(value, *keys):
    for key in keys:
        value = None if value is None else value[key]
    return value


def items_of(value, of):
    return None if value is None else [of(one) for one in value]


def leaves(r):
    text = lambda value: None if value is None else f"{value:.2f}"
    return {
        "n": r["n"],
        "user.id": None if r["user"] is None else str(r["user"]["id"]),
        "user.address.city": field_of(r, "user", "address", "city"),
        "user.address.zip": field_of(r, "user", "address", "zip"),
        "items.sku": items_of(r["items"], lambda one: field_of(one, "sku")),
        "items.prices": items_of(r["items"], lambda one: items_of(field_of(one, "prices"), text)),
        "tags.key": items_of(r["tags"], lambda pair: pair[0]),
        "tags.value.a": items_of(r["tags"], lambda pair: field_of(pair[1], "a")),
        "tags.value.b": items_of(r["tags"], lambda pair: None if pair[1] is None else pair[1]["b"].hex()),
        "deep.x": items_of(r["deep"], lambda one: items_of(one, lambda two: two["x"])),
        "last": r["last"],
    }


def write_json(name, shown):
    (HERE / f"{name}.json").write_text(json.dumps(shown, indent=1) + "\n")


write_json("nested", [leaves(r) for r in rows])

texts = pa.array(["", "a", None, "longer than twelve bytes"], pa.string_view())
numbers = pa.array([1, None, 3, 4])
views = {
    "list": pa.ListViewArray.from_arrays([3, 0, 0, 1], [1, 2, 0, 3], texts),
    "large": pa.LargeListViewArray.from_arrays(pa.array([0, 1, 3, 0], pa.int64()), pa.array([1, 2, 1, 4], pa.int64()), numbers),
    "structs": pa.ListViewArray.from_arrays([2, 0, 1, 0], [2, 1, 2, 0], pa.StructArray.from_arrays([numbers, texts], names=["a", "b"])),
    "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 3, 4], pa.int32()), pa.array(["p", None, "q"])),
    "pair": pa.array([[1, 2], None, [3, None], [5, 6]], pa.list_(pa.int32(), 2)),
    "bytes": pa.array([b"x", None, b"longer than twelve bytes", b""], pa.binary_view()),
}
with ipc.new_stream(HERE / "views.arrows", pa.table(views).schema) as writer:
    writer.write_batch(pa.record_batch(views))
T, N = texts.to_pylist(), [None if n is None else str(n) for n in numbers.to_pylist()]
cut = lambda values, ranges: [values[start : start + size] for start, size in ranges]
of = {
    "list": cut(T, [(3, 1), (0, 2), (0, 0), (1, 3)]),
    "large": cut(N, [(0, 1), (1, 2), (3, 1), (0, 4)]),
    "structs.a": cut(N, [(2, 2), (0, 1), (1, 2), (0, 0)]),
    "structs.b": cut(T, [(2, 2), (0, 1), (1, 2), (0, 0)]),
    "runs": ["p", None, None, "q"],
    "pair": views["pair"].to_pylist(),
    "bytes": [None if b is None else b.hex() for b in views["bytes"].to_pylist()],
}
write_json("views", [{name: values[i] for name, values in of.items()} for i in range(4)])
write_json("versions", {"pyarrow": pa.__version__})
