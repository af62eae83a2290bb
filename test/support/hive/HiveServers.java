import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hive.service.cli.CLIService;
import org.apache.hive.service.cli.thrift.ThriftBinaryCLIService;
import org.apache.hive.service.cli.thrift.ThriftCLIService;
import org.apache.hive.service.cli.thrift.ThriftHttpCLIService;
import org.apache.hive.service.server.HiveServer2;

/**
 * Apache Hive's HiveServer2 as hive-site.xml has it, and more ways into the same one: each argument is a way, `name=value,name=value`, whose
 * settings differ from the file's by these. A server takes half a minute to start, a way some milliseconds.
 */
public final class HiveServers {
  public static void main(String[] arguments) throws Exception {
    HiveConf conf = new HiveConf();
    HiveServer2 server = new HiveServer2();
    server.init(conf);
    server.start();
    for (String argument : arguments) open(server.getCliService(), conf, argument);
  }

  private static void open(CLIService service, HiveConf conf, String settings) {
    HiveConf own = new HiveConf(conf);
    for (String setting : settings.split(",")) {
      int at = setting.indexOf('=');
      own.set(setting.substring(0, at), setting.substring(at + 1));
    }
    ThriftCLIService way = HiveServer2.isHttpTransportMode(own) ? new ThriftHttpCLIService(service) : new ThriftBinaryCLIService(service);
    way.init(own);
    way.start();
  }
}
