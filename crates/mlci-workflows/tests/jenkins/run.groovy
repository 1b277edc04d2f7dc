// A strict interpreter of the part of Jenkins' declarative syntax that is rendered here. It is not Jenkins: it shows
// that the file is Groovy, that it uses no other directive, option or step than these, and that the commands run in the
// right order, on what was stashed, with the right credentials.
//
// Stricter than Jenkins: every stage with an agent gets an empty workspace with a fresh checkout, unless ONE_WORKSPACE
// is set. Arguments: the Jenkinsfile, the repository to check out, a folder to work in, the branch's name, what a person
// answers (approve, reject), and a file with one NAME=value a line, the credentials.

import java.util.concurrent.TimeUnit

class Broken extends RuntimeException { Broken(String message) { super(message) } }
class Failed extends RuntimeException { Failed(String message) { super(message) } }

class Run {
    static File repository, work
    static String branch, answer
    static Map<String, String> credentials = [:]
    static Map<String, File> stashes = [:]
    static Set<String> secrets = []
    static int workspaces = 0

    static void say(Object text) {
        def shown = text.toString()
        secrets.each { shown = shown.replace(it, '****') }
        println shown
    }

    static File checkout() {
        boolean one = System.getenv('ONE_WORKSPACE') != null
        def folder = new File(work, one ? 'workspace' : "workspace-${++workspaces}")
        if (one && folder.exists()) return folder
        execute(['git', 'clone', '--quiet', repository.path, folder.path], work, [:], 60)
        folder
    }

    static void execute(List command, File folder, Map<String, String> variables, long seconds) {
        def builder = new ProcessBuilder(command*.toString()).directory(folder).redirectErrorStream(true)
        builder.environment().putAll(variables)
        def process = builder.start()
        process.outputStream.close()
        def reader = Thread.start { process.inputStream.eachLine { say(it) } }
        if (!process.waitFor(seconds, TimeUnit.SECONDS)) { process.destroyForcibly(); throw new Failed('timeout') }
        reader.join()
        if (process.exitValue() != 0) throw new Failed("script returned exit code ${process.exitValue()}")
    }
}

// Each section of the file is read by one of these and by nothing else: Groovy looks a name up in the section's own
// class only, so that a directive in the wrong place is an error.
abstract class Section {
    Set<String> seen = []

    void once(String name) { if (!seen.add(name)) throw new Broken("`$name` stands twice") }

    static <T extends Section> T read(T section, Closure body) {
        body.resolveStrategy = Closure.DELEGATE_ONLY
        body.delegate = section
        body.call()
        section
    }

    def methodMissing(String name, Object arguments) {
        throw new Broken("no such directive, option or step in ${getClass().simpleName}: `$name`")
    }

    static void only(Map given, Map<String, Class> known, Set<String> needed) {
        given.each { name, value ->
            if (!known.containsKey(name)) throw new Broken("unknown parameter `$name`")
            if (!known[name].isInstance(value)) throw new Broken("`$name` is no ${known[name].simpleName}: $value")
        }
        if (!given.keySet().containsAll(needed)) throw new Broken("parameters missing: ${needed - given.keySet()}")
    }
}

class Agent extends Section {
    String label
    void label(String name) { once('label'); label = name }
}

// `any` and `none` are read as names.
abstract class WithAgent extends Section {
    String agent
    Object propertyMissing(String name) {
        if (!(name in ['any', 'none'])) throw new Broken("unknown name `$name`")
        name
    }
    void agent(String kind) { once('agent'); agent = kind }
    void agent(Closure body) {
        once('agent')
        def read = Section.read(new Agent(), body)
        if (!read.label) throw new Broken('an agent without label')
        agent = read.label
    }
}

class PipelineOptions extends Section {
    void disableConcurrentBuilds() { once('disableConcurrentBuilds') }
    void preserveStashes(Map given) {
        once('preserveStashes')
        only(given, [buildCount: Integer], ['buildCount'] as Set)
        if (!(given.buildCount in 1..50)) throw new Broken('buildCount is 1 to 50')
    }
}

class StageOptions extends Section {
    long seconds
    void timeout(Map given) {
        once('timeout')
        only(given, [time: Integer, unit: String], ['time'] as Set)
        seconds = TimeUnit.valueOf(given.unit ?: 'MINUTES').toSeconds(given.time)
    }
}

class When extends Section {
    boolean beforeAgent
    String branch
    void beforeAgent(boolean value) { once('beforeAgent'); beforeAgent = value }
    void branch(String name) { once('branch'); branch = name }
}

class Environment extends Section {
    Map<String, String> variables = [:]
    String credentials(String id) {
        if (!Run.credentials.containsKey(id)) throw new Failed("Could not find credentials entry with ID '$id'")
        Run.secrets << Run.credentials[id]
        Run.credentials[id]
    }
    void propertyMissing(String name, Object value) {
        once(name)
        variables[name] = value.toString()
    }
}

class Steps extends Section {
    File workspace
    Map<String, String> variables
    long seconds

    File here() {
        if (workspace == null) throw new Failed('a step that needs a workspace in a stage without agent')
        workspace
    }

    void sh(String script) {
        def file = File.createTempFile('script', '.sh')
        file.setText(script, 'UTF-8')
        // As Jenkins does for a script without its own first line.
        try { Run.execute(['sh', '-xe', file.path], here(), [CI: 'true', WORKSPACE: here().path] + variables, seconds) } finally { file.delete() }
    }

    void stash(Map given) {
        only(given, [name: String, includes: String, allowEmpty: Boolean, useDefaultExcludes: Boolean], ['name'] as Set)
        def to = new File(Run.work, "stash-${given.name}")
        if (!copy(given.includes, to) && !given.allowEmpty) throw new Failed("No files included in stash ‘${given.name}’")
        Run.stashes[given.name] = to
    }

    void unstash(String name) {
        def from = Run.stashes[name]
        if (from == null) throw new Failed("No such saved stash ‘$name’")
        if (from.exists()) Run.execute(['cp', '-R', "${from.path}/.", here().path], here(), [:], 60)
    }

    void archiveArtifacts(Map given) {
        only(given, [artifacts: String, allowEmptyArchive: Boolean, defaultExcludes: Boolean], ['artifacts'] as Set)
        if (!copy(given.artifacts, new File(Run.work, 'archive')) && !given.allowEmptyArchive) throw new Failed('No artifacts found')
    }

    void input(Map given) {
        only(given, [message: String, ok: String], ['message'] as Set)
        Run.say("input: ${given.message}")
        if (Run.answer != 'approve') throw new Failed('Rejected')
    }

    // Of Ant's patterns only a path and `folder/**` are known; commas part them.
    boolean copy(String patterns, File to) {
        boolean any = false
        patterns.split(',').each { pattern ->
            def path = pattern.endsWith('/**') ? pattern[0..<-3] : pattern
            if (path =~ /[*?\s]/) throw new Broken("a pattern that this interpreter does not know: $pattern")
            if (new File(here(), path).exists()) {
                any = true
                to.mkdirs()
                Run.execute(['cp', '-R', '--parents', path, to.path], here(), [:], 60)
            }
        }
        any
    }
}

class Post extends Section {
    Closure always
    void always(Closure body) { once('always'); always = body }
}

class Stage extends WithAgent {
    String name
    Closure when, options, environment, steps, post
    void when(Closure body) { once('when'); when = body }
    void options(Closure body) { once('options'); options = body }
    void environment(Closure body) { once('environment'); environment = body }
    void steps(Closure body) { once('steps'); steps = body }
    void post(Closure body) { once('post'); post = body }

    // Every section is read before any stage runs, but for steps, which are what runs.
    When readWhen; StageOptions readOptions; Post readPost
    void read() {
        if (steps == null) throw new Broken("stage `$name` has no steps")
        readWhen = when ? Section.read(new When(), when) : null
        readOptions = options ? Section.read(new StageOptions(), options) : new StageOptions()
        readPost = post ? Section.read(new Post(), post) : null
    }

    void run() {
        if (readWhen?.branch != null && readWhen.branch != Run.branch) { Run.say("stage $name: skipped"); return }
        Run.say("stage $name: agent ${agent ?: 'none'}")
        def workspace = agent in [null, 'none'] ? null : Run.checkout()
        def variables = [:]
        def steps = { -> new Steps(workspace: workspace, variables: variables, seconds: readOptions.seconds ?: 3600) }
        try {
            if (environment) variables.putAll(Section.read(new Environment(), environment).variables)
            Section.read(steps(), this.steps)
        } finally {
            if (readPost?.always) Section.read(steps(), readPost.always)
        }
        Run.say("stage $name: done")
    }
}

class Stages extends Section {
    List<Stage> stages = []
    void stage(String name, Closure body) {
        once(name)
        def stage = Section.read(new Stage(name: name), body)
        stage.read()
        stages << stage
    }
}

class Pipeline extends WithAgent {
    Closure options, stages
    void options(Closure body) { once('options'); options = body }
    void stages(Closure body) { once('stages'); stages = body }

    void run() {
        if (agent == null || stages == null) throw new Broken('a pipeline needs `agent` and `stages`')
        if (agent != 'none') throw new Broken('an agent for the whole pipeline is not known to this interpreter')
        if (options) Section.read(new PipelineOptions(), options)
        def read = Section.read(new Stages(), stages)
        if (read.stages.isEmpty()) throw new Broken('no stage')
        read.stages.each { it.run() }
    }
}

abstract class Top extends Script {
    static int pipelines = 0
    void pipeline(Closure body) {
        pipelines++
        Section.read(new Pipeline(), body).run()
    }
    def methodMissing(String name, Object arguments) { throw new Broken("no such step outside of pipeline: `$name`") }
}

def (file, repository, work, branch, answer, credentials) = args as List
Run.repository = new File(repository)
Run.work = new File(work)
Run.branch = branch
Run.answer = answer
new File(credentials).eachLine('UTF-8') { line -> def (name, value) = line.split('=', 2) as List; Run.credentials[name] = value }

def settings = new org.codehaus.groovy.control.CompilerConfiguration()
settings.scriptBaseClass = Top.name
settings.sourceEncoding = 'UTF-8'
try {
    new GroovyShell(this.class.classLoader, new Binding(), settings).evaluate(new File(file))
    if (Top.pipelines != 1) throw new Broken('one `pipeline` is needed')
    println 'Finished: SUCCESS'
} catch (Failed failed) {
    Run.say("ERROR: ${failed.message}")
    println 'Finished: FAILURE'
    System.exit(1)
} catch (Broken | MissingPropertyException | MissingMethodException | org.codehaus.groovy.control.CompilationFailedException broken) {
    println "INVALID: ${broken.message}"
    System.exit(2)
}
