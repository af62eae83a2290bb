import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.PrivilegedExceptionAction;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.hdfs.DFSConfigKeys;
import org.apache.hadoop.hdfs.DistributedFileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.hadoop.hdfs.MiniDFSNNTopology;
import org.apache.hadoop.hdfs.protocol.HdfsConstants.SafeModeAction;
import org.apache.hadoop.hdfs.web.WebHdfsFileSystem;
import org.apache.hadoop.minikdc.MiniKdc;
import org.apache.hadoop.security.Credentials;
import org.apache.hadoop.security.UserGroupInformation;

/**
 * A real HDFS in one process, for test/peers/storage-hdfs*.test.ts: `HdfsCluster FOLDER ha` has two name nodes and two data nodes,
 * `HdfsCluster FOLDER kerberos` one of each and a KDC. Says one line when it is ready, then answers one line to each command on its
 * standard input, and ends with it.
 */
public final class HdfsCluster {
  private static final String REALM_HOST = "localhost";

  private final MiniDFSCluster cluster;
  private final MiniKdc kdc;
  private final File folder;
  private MiniDFSCluster.DataNodeProperties stopped;

  private HdfsCluster(MiniDFSCluster cluster, MiniKdc kdc, File folder) {
    this.cluster = cluster;
    this.kdc = kdc;
    this.folder = folder;
  }

  public static void main(String[] arguments) throws Exception {
    // Whatever the libraries print must not stand between our lines.
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);
    File folder = new File(arguments[0]);
    HdfsCluster cluster = arguments[1].equals("kerberos") ? secure(folder) : highlyAvailable(folder);
    out.println("ready " + cluster.addresses());
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        out.println("done " + cluster.obey(line.split(" ")));
      } catch (Exception problem) {
        out.println("failed " + problem.toString().replace('\n', ' '));
      }
    }
    // Nothing is worth keeping, so nothing needs a slow farewell.
    Runtime.getRuntime().halt(0);
  }

  private static Configuration settings(File folder) {
    Configuration conf = new Configuration();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, new File(folder, "dfs").getPath());
    conf.setLong(DFSConfigKeys.DFS_BLOCK_SIZE_KEY, 1 << 20);
    conf.setInt(DFSConfigKeys.DFS_REPLICATION_KEY, 2);
    conf.setInt("dfs.ls.limit", 4);
    conf.setInt("dfs.namenode.checkpoint.check.period", 3600);
    conf.setBoolean("dfs.client.block.write.replace-datanode-on-failure.enable", false);
    // HiveServer2 asks in the name of its users, itself among them.
    conf.set("hadoop.proxyuser.hive.hosts", "*");
    conf.set("hadoop.proxyuser.hive.groups", "*");
    return conf;
  }

  private static HdfsCluster highlyAvailable(File folder) throws Exception {
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(settings(folder))
        .nnTopology(MiniDFSNNTopology.simpleHATopology()).numDataNodes(2).build();
    cluster.waitActive();
    cluster.transitionToActive(0);
    cluster.getFileSystem(0).setPermission(new Path("/"), new FsPermission((short) 01777));
    return new HdfsCluster(cluster, null, folder);
  }

  private static HdfsCluster secure(File folder) throws Exception {
    MiniKdc kdc = new MiniKdc(MiniKdc.createConf(), new File(folder, "kdc"));
    kdc.start();
    File server = new File(folder, "server.keytab");
    kdc.createPrincipal(server, "hdfs/" + REALM_HOST, "HTTP/" + REALM_HOST);
    kdc.createPrincipal(new File(folder, "alice.keytab"), "alice");
    String service = "hdfs/" + REALM_HOST + "@" + kdc.getRealm();
    String web = "HTTP/" + REALM_HOST + "@" + kdc.getRealm();
    Configuration conf = settings(folder);
    conf.set("hadoop.security.authentication", "kerberos");
    for (String part : List.of("namenode", "datanode")) {
      conf.set("dfs." + part + ".kerberos.principal", service);
      conf.set("dfs." + part + ".keytab.file", server.getPath());
    }
    conf.set(DFSConfigKeys.DFS_WEB_AUTHENTICATION_KERBEROS_PRINCIPAL_KEY, web);
    conf.set(DFSConfigKeys.DFS_WEB_AUTHENTICATION_KERBEROS_KEYTAB_KEY, server.getPath());
    conf.set("hadoop.http.authentication.type", "kerberos");
    conf.set("hadoop.http.authentication.kerberos.principal", web);
    conf.set("hadoop.http.authentication.kerberos.keytab", server.getPath());
    conf.set("dfs.data.transfer.protection", "authentication");
    conf.setBoolean("dfs.block.access.token.enable", true);
    conf.setBoolean("ignore.secure.ports.for.testing", true);
    UserGroupInformation.setConfiguration(conf);
    UserGroupInformation.loginUserFromKeytab(service, server.getPath());
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(conf).numDataNodes(1).build();
    cluster.waitActive();
    cluster.getFileSystem().setPermission(new Path("/"), new FsPermission((short) 01777));
    return new HdfsCluster(cluster, kdc, folder);
  }

  /** The HTTP addresses of the name nodes, with a blank between them. */
  private String addresses() {
    List<String> found = new ArrayList<>();
    for (int i = 0; i < cluster.getNumNameNodes(); i++) found.add(cluster.getNameNode(i).getHttpAddress().getPort() + "");
    return String.join(" ", found);
  }

  private DistributedFileSystem files() throws Exception {
    for (int i = 0; i < cluster.getNumNameNodes(); i++) {
      if (cluster.getNameNode(i) != null && cluster.getNameNode(i).isActiveState()) return cluster.getFileSystem(i);
    }
    throw new IllegalStateException("no name node is active");
  }

  private String obey(String[] words) throws Exception {
    switch (words[0]) {
      case "rpc":
        return cluster.getNameNodePort(Integer.parseInt(words[1])) + "";
      case "active":
        for (int i = 0; i < cluster.getNumNameNodes(); i++) {
          if (cluster.getNameNode(i).isActiveState()) cluster.transitionToStandby(i);
        }
        cluster.transitionToActive(Integer.parseInt(words[1]));
        return "";
      case "standby":
        cluster.transitionToStandby(Integer.parseInt(words[1]));
        return "";
      case "safemode":
        files().setSafeMode(words[1].equals("on") ? SafeModeAction.SAFEMODE_ENTER : SafeModeAction.SAFEMODE_LEAVE);
        return "";
      case "quota":
        files().setQuota(new Path(words[1]), Long.parseLong(words[2]), Long.parseLong(words[3]));
        return "";
      case "stop-datanode":
        stopped = cluster.stopDataNode(Integer.parseInt(words[1]));
        return "";
      case "start-datanode":
        cluster.restartDataNode(stopped, true);
        cluster.waitActive();
        return "";
      case "bounce-datanodes":
        for (int i = 0; i < 2; i++) cluster.restartDataNode(0, true);
        cluster.waitActive();
        return "";
      case "open-files":
        return "" + cluster.getNamesystem(0).getNumFilesUnderConstruction();
      case "token":
        return token(words[1]);
      default:
        throw new IllegalArgumentException("no such command: " + words[0]);
    }
  }

  /** Writes alice's delegation token as `hdfs fetchdt` does, into a file of Hadoop's own format ("writable" or "protobuf"). */
  private String token(String format) throws Exception {
    String keytab = new File(folder, "alice.keytab").getPath();
    UserGroupInformation alice = UserGroupInformation.loginUserFromKeytabAndReturnUGI("alice@" + kdc.getRealm(), keytab);
    File file = new File(folder, format + ".tokens");
    URI address = URI.create("webhdfs://" + REALM_HOST + ":" + addresses());
    alice.doAs((PrivilegedExceptionAction<Void>) () -> {
      Credentials credentials = new Credentials();
      WebHdfsFileSystem web = (WebHdfsFileSystem) org.apache.hadoop.fs.FileSystem.newInstance(address, cluster.getConfiguration(0));
      credentials.addToken(new org.apache.hadoop.io.Text("other"), new org.apache.hadoop.security.token.Token<>());
      web.addDelegationTokens("alice", credentials);
      credentials.addSecretKey(new org.apache.hadoop.io.Text("key"), new byte[200]);
      Credentials.SerializedFormat kind = format.equals("protobuf") ? Credentials.SerializedFormat.PROTOBUF : Credentials.SerializedFormat.WRITABLE;
      credentials.writeTokenStorageFile(new Path(file.toURI()), cluster.getConfiguration(0), kind);
      return null;
    });
    return file.getPath();
  }
}
