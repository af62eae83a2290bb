"""Spark's Thrift server, four times in one process: with SASL, without, over TLS, and over HTTP.

Prints {"sasl": port, "nosasl": port, "tls": port, "http": port}, and then answers each line of standard input, a command in JSON: {"sql": statement}
with its rows as JSON would have them, {"sessions": true} with the number of sessions that are open, {"jobs": true} with that of jobs that run.
Ends with its input.

Arguments: a folder of its own, and a key store in PKCS12 (or nothing) with the password "millrace".
"""
import json
import os
import socket
import sys

folder, keystore = sys.argv[1:3]
os.environ["PYSPARK_SUBMIT_ARGS"] = "--driver-memory 768m --driver-java-options '-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dderby.stream.error.file=%s/derby.log' pyspark-shell" % folder
os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"

from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    # Queries are many and small: compiling each takes longer than running it, and a shuffle in parts needs a job more.
    .config("spark.sql.shuffle.partitions", "1")
    .config("spark.sql.adaptive.enabled", "false")
    .config("spark.sql.codegen.wholeStage", "false")
    .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    .config("spark.sql.warehouse.dir", os.path.join(folder, "warehouse"))
    .config("spark.hadoop.javax.jdo.option.ConnectionURL", "jdbc:derby:memory:metastore;create=true")
    .config("spark.hadoop.hive.server2.thrift.bind.host", "127.0.0.1")
    # Far from UTC.
    .config("spark.sql.session.timeZone", "Asia/Kolkata")
    .enableHiveSupport()
    .getOrCreate()
)
hive_state = spark._jvm.org.apache.hadoop.hive.ql.session.SessionState


def configure(name, value):
    spark.sparkContext._jsc.hadoopConfiguration().set("hive.server2." + name, value)
    # The servers after the first take theirs from here.
    if hive_state.get() is not None:
        hive_state.get().getConf().set("hive.server2." + name, value)


thrift = spark._jvm.org.apache.spark.sql.hive.thriftserver.HiveThriftServer2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(port_setting, **settings):
    port = free_port()
    for name, value in {port_setting: str(port), **{name.replace("_", "."): value for name, value in settings.items()}}.items():
        configure(name, value)
    thrift.startWithContext(spark._jsparkSession.sqlContext())
    return port


ports = {
    "sasl": start("thrift.port", transport_mode="binary", authentication="NONE"),
    "nosasl": start("thrift.port", transport_mode="binary", authentication="NOSASL"),
    "http": start("thrift.http.port", transport_mode="http", authentication="NONE"),
}
if keystore:
    configure("keystore.path", keystore)
    configure("keystore.password", "millrace")
    configure("use.SSL", "true")
    ports["tls"] = start("thrift.port", transport_mode="binary", authentication="NONE")
sessions = spark._jvm.org.apache.spark.sql.hive.thriftserver.ui.HiveThriftServer2AppStatusStore(spark._jsc.sc().statusStore().store())
print(json.dumps(ports), flush=True)


def answer(command):
    if "sql" in command:
        return [[None if value is None else str(value) for value in row] for row in spark.sql(command["sql"]).collect()]
    if "sessions" in command:
        return sessions.getOnlineSessionNum()
    return len(spark.sparkContext.statusTracker().getActiveJobsIds())


for line in sys.stdin:
    try:
        print(json.dumps({"answer": answer(json.loads(line))}), flush=True)
    except Exception as problem:
        print(json.dumps({"problem": str(problem)[:2000]}), flush=True)
