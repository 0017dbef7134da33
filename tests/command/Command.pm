# Command.pm - what the tests of the command share: run it, catch what it says, build small programs for it.
# CAIRN names the command; build/cairn by default.
package Command;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

our @EXPORT = qw($CAIRN $LIBRARY $SCRATCH run_cairn account build write_file read_file leftovers shape wait_until rising);
our $HERE    = dirname(abs_path(__FILE__));
our $CAIRN   = abs_path($ENV{CAIRN} // "$HERE/../../build/cairn") // BAIL_OUT('no command: type make first');
our $LIBRARY = dirname($CAIRN) . '/libcairn.so';
our %started = ($$ => 1); # pids of the commands that this test started
our $SCRATCH = tempdir('cairn-command-XXXXXX', TMPDIR => 1, CLEANUP => 1);

BAIL_OUT("$CAIRN is not there: type make first") unless -x $CAIRN && -r $LIBRARY;
delete @ENV{qw(LD_PRELOAD NO_COLOR), grep { /^CAIRN/ } keys %ENV};

# Runs the command; returns { status, out, err }. A first argument that is a hash may set: in (text), env, dir, command.
my $count = 0;
sub run_cairn {
	my $how = ref $_[0] ? shift : {};
	my ($out, $err) = map { "$SCRATCH/$_." . ++$count } qw(out err);
	write_file("$SCRATCH/in", $how->{in} // '');
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		@ENV{ keys %{ $how->{env} } } = values %{ $how->{env} } if $how->{env};
		chdir $how->{dir} or die if $how->{dir};
		open STDIN, '<', "$SCRATCH/in" or die;
		open STDOUT, '>', $out or die;
		open STDERR, '>', $err or die;
		exec { $how->{command} // $CAIRN } 'cairn', @_ or die;
	}
	$started{$pid} = 1;
	waitpid $pid, 0;
	return { status => $? & 127 ? "signal " . ($? & 127) : $? >> 8, out => read_file($out), err => read_file($err) };
}

# The JSON account: of a result's last line on stderr, or of a text.
sub account {
	my ($from) = @_;
	my $text = ref $from ? (split /\n/, $from->{err})[-1] : $from;
	my $account = eval { JSON::PP->new->utf8->decode($text // '') };
	diag("no JSON: $@: " . ($text // '')) unless $account;
	return $account || {};
}

# Compiles tests/command/NAME.c (or the text given) to SCRATCH/NAME and returns its path.
sub build {
	my ($name, %how) = @_;
	my $source = "$HERE/$name.c";
	if (defined $how{text}) {
		$source = "$SCRATCH/$name.c";
		write_file($source, $how{text});
	}
	my $to = $how{to} // "$SCRATCH/$name";
	my @compile = ($how{cc} // 'cc', '-O1', '-w', '-fno-builtin', '-pthread', '-o', $to, $source, @{ $how{flags} || [] });
	return system(@compile) == 0 ? $to : undef;
}

sub write_file {
	my ($path, $text, $mode) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $text;
	close $file or die "$path: $!";
	chmod $mode, $path if defined $mode;
	return $path;
}

sub read_file {
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	return scalar(<$file>) // '';
}

sub rising { return sort { $a <=> $b } @_ }

# Folders of the runs of this test that are still there; others may be running on the machine.
sub leftovers { return grep { /cairn-run\.(\d+)\./ && $started{$1} } map { glob "$_/cairn-run.*" } '/dev/shm', '/tmp' }

# Every line of a text within 80 columns?
sub shape {
	my ($text, $name) = @_;
	utf8::decode($text);
	my @long = grep { length > 80 } split /\n/, $text;
	is_deeply(\@long, [], $name);
}

# Calls the code every 10 ms until it is true, for at most the given seconds.
sub wait_until {
	my ($seconds, $code) = @_;
	for (1 .. $seconds * 100) {
		my $result = $code->();
		return $result if $result;
		select undef, undef, undef, 0.01;
	}
	return;
}

1;
