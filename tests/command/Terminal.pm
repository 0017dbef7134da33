# Terminal.pm - a terminal for tests: tests/command/terminal.c, built once a test, as an object.
#   my $t = Terminal->new(24, 80, $CAIRN, 'top', $pid);   $t->keys('q');   $t->screen   $t->shows(qr/.../)   $t->end
package Terminal;
use strict;
use warnings;
use Command;
use IPC::Open2;

my ($program, $patience) = (undef, 10);

sub new {
	my ($class, $rows, $columns, @command) = @_;
	$program //= build('terminal', flags => ['-lutil']) // die 'terminal.c cannot be built';
	local $ENV{TERM} = $ENV{TERM_FOR_TEST} // 'xterm-256color';
	my $pid = open2(my $from, my $to, $program, $rows, $columns, @command);
	binmode $from, ':encoding(UTF-8)';
	return bless { pid => $pid, from => $from, to => $to }, $class;
}

sub ask {
	my ($self, $line) = @_;
	local $SIG{PIPE} = 'IGNORE';
	print { $self->{to} } "$line\n";
	$self->{to}->flush;
	my $answer = readline $self->{from};
	return '' unless defined $answer;
	chomp $answer;
	return $answer;
}

sub keys { my ($self, $text) = @_; return $self->ask("keys $text") }
sub size { my ($self, @size) = @_; return $self->ask("size @size") }
sub status { return $_[0]->ask('status') }
sub job { return $_[0]->ask('pid') }
sub state { return { map { split /=/ } split / /, $_[0]->ask('state') } }

# The rows, each ended by a newline.
sub screen {
	my ($self) = @_;
	my $text = '';
	for (my $line = $self->ask('screen'); $line ne '.' && defined $line; $line = readline $self->{from}) {
		chomp $line;
		last if $line eq '.';
		$text .= "$line\n";
	}
	return $text;
}

# Waits until the screen matches; the screen, or undef.
sub shows {
	my ($self, $what, $seconds) = @_;
	my $screen;
	my $found = wait_until($patience < ($seconds // 10) ? $patience : $seconds // 10, sub { ($screen = $self->screen) =~ $what });
	Test::More::diag("the screen is\n$screen") unless $found;
	$patience = 1 unless $found; # what follows fails as well, and sooner
	return $found ? $screen : undef;
}

sub ends {
	my ($self, $status, $seconds) = @_;
	return wait_until($seconds // 5, sub { $self->status =~ /^$status/ });
}

# Whatever still runs is killed.
sub end {
	my ($self) = @_;
	close $self->{to};
	close $self->{from};
	waitpid $self->{pid}, 0;
	return;
}

1;
