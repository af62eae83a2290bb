"""Writes tables of structs, maps and lists of them, drawn by a seed, and prints what each leaf holds: sys.argv = folder, seed, count, extensions."""
import decimal, json, random, sys
import pyarrow as pa, pyarrow.ipc as ipc, pyarrow.parquet as pq

folder, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)

SCALARS = [pa.int32(), pa.int64(), pa.string(), pa.float64(), pa.bool_(), pa.binary(), pa.date32(), pa.timestamp('ms', 'UTC'), pa.decimal128(9, 2), pa.dictionary(pa.int32(), pa.string())]

def draw_type(depth, is_arrow):
    kind = draw.choice(['scalar', 'scalar', 'struct', 'struct', 'list', 'map', 'view', 'fixed', 'large']) if depth > 0 else 'scalar'
    if kind == 'struct': return pa.struct([draw_field(f'f{i}', depth - 1, is_arrow) for i in range(draw.randint(1, 3))])
    if kind == 'map': return pa.map_(draw.choice([pa.string(), pa.int32()]), draw_field('value', depth - 1, is_arrow))
    if kind == 'list': return pa.list_(draw_field('item', depth - 1, is_arrow))
    if kind == 'large': return pa.large_list(draw_field('item', depth - 1, is_arrow))
    if kind == 'view' and is_arrow: return draw.choice([pa.list_view, pa.large_list_view])(draw_field('item', depth - 1, is_arrow))
    if kind == 'fixed' and is_arrow: return pa.list_(draw_field('item', depth - 1, is_arrow), 2)
    return draw.choice(SCALARS)

def draw_field(name, depth, is_arrow): return pa.field(name, draw_type(depth, is_arrow), nullable=draw.random() < 0.7)

def draw_value(type, nullable):
    if nullable and draw.random() < 0.25: return None
    if pa.types.is_struct(type): return {f.name: draw_value(f.type, f.nullable) for f in type}
    if pa.types.is_map(type): return [(draw_value(type.key_type, False), draw_value(type.item_type, type.item_field.nullable)) for _ in range(draw.randint(0, 3))]
    if is_listed(type): return [draw_value(type.value_type, type.value_field.nullable) for _ in range(type.list_size if pa.types.is_fixed_size_list(type) else draw.randint(0, 3))]
    if pa.types.is_dictionary(type): return draw.choice(['red', 'green', ''])
    if pa.types.is_int32(type): return draw.randint(-2**31, 2**31 - 1)
    if pa.types.is_int64(type): return draw.randint(-2**63, 2**63 - 1)
    if pa.types.is_string(type): return draw.choice(['', 'ä', 'longer than twelve bytes', 'x' * 40]) + str(draw.randint(0, 9))
    if pa.types.is_float64(type): return draw.randint(-1000, 1000) / 8
    if pa.types.is_boolean(type): return draw.random() < 0.5
    if pa.types.is_binary(type): return bytes(draw.randint(0, 255) for _ in range(draw.randint(0, 4)))
    if pa.types.is_date32(type): return draw.randint(-10000, 30000)
    if pa.types.is_timestamp(type): return draw.randint(-10**12, 2 * 10**12)
    return decimal.Decimal(draw.randint(-10**8, 10**8)).scaleb(-2)

def is_listed(type):
    return any(test(type) for test in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view, pa.types.is_large_list_view))

def leaves(name, type):
    """Each leaf below a field: its name, and what a value of the field holds there, as JSON shows it."""
    if pa.types.is_struct(type):
        for f in type:
            for leaf, of in leaves(f'{name}.{f.name}', f.type): yield leaf, (lambda value, of=of, key=f.name: None if value is None else of(value[key]))
    elif pa.types.is_map(type):
        for part, (key, below) in enumerate((('key', type.key_type), ('value', type.item_type))):
            for leaf, of in leaves(f'{name}.{key}', below): yield leaf, (lambda value, of=of, part=part: None if value is None else [of(pair[part]) for pair in value])
    elif is_listed(type):
        for leaf, of in leaves(name, type.value_type): yield leaf, (lambda value, of=of: None if value is None else [of(item) for item in value])
    else:
        yield name, plain(type)

def plain(type):
    if pa.types.is_int64(type) or pa.types.is_decimal(type): return lambda value: None if value is None else str(value)
    if pa.types.is_binary(type): return lambda value: None if value is None else value.hex()
    if pa.types.is_date32(type): return lambda value: None if value is None else value * 86400000
    return lambda value: value

def write_parquet(path, table):
    pq.write_table(table, path, row_group_size=draw.choice([7, 40, 1000]), data_page_size=draw.choice([1, 200, 2**20]), data_page_version=draw.choice(['1.0', '2.0']), use_dictionary=draw.random() < 0.5,
        use_compliant_nested_type=draw.random() < 0.5, compression=draw.choice(['none', 'snappy', 'zstd']), write_page_index=draw.random() < 0.5, write_batch_size=draw.choice([3, 1024]), version='2.6')

def write_arrow(path, table):
    options = ipc.IpcWriteOptions(compression=draw.choice([None, 'lz4', 'zstd']), unify_dictionaries=True)
    opener = draw.choice([ipc.new_file, ipc.new_stream])
    with opener(path, table.schema, options=options) as writer: writer.write_table(table, max_chunksize=draw.choice([5, 33, 1000]))

said = {}
for extension in sys.argv[4:]:
    for index in range(count):
        fields = [draw_field(f'c{i}', 3, extension == 'arrow') for i in range(3)] + [pa.field('at', pa.int32(), nullable=False)]
        rows = draw.choice([1, 60, 150])
        values = [[draw_value(f.type, f.nullable) for _ in range(rows)] for f in fields[:-1]] + [list(range(rows))]
        table = pa.Table.from_arrays([pa.array(v, f.type) for v, f in zip(values, fields)], schema=pa.schema(fields))
        name = f'{index}.{extension}'
        (write_arrow if extension == 'arrow' else write_parquet)(f'{folder}/{name}', table)
        said[name] = {leaf: [of(value) for value in column] for f, column in zip(fields, values) for leaf, of in leaves(f.name, f.type)}
print(json.dumps(said))
