<?php
// Calls from standard input, made with SoapClient. The README says what a line looks like.
declare(strict_types=1);

/** What SoapClient takes for a JSON value: it encodes bytes itself, and instants are text to it. */
function given(mixed $value): mixed
{
    if (is_array($value)) {
        return array_map(given(...), $value);
    }
    if (!is_object($value)) {
        return $value;
    }
    if (isset($value->{'$instant'})) {
        return $value->{'$instant'};
    }
    if (isset($value->{'$bytes'})) {
        return base64_decode($value->{'$bytes'}, true);
    }
    $members = new stdClass();
    foreach (get_object_vars($value) as $name => $member) {
        $members->$name = given($member);
    }
    return $members;
}

/** The one child of a reply element; bytes, which JSON cannot say, in base64. */
function told(?stdClass $reply): mixed
{
    $children = $reply === null ? [] : array_values(get_object_vars($reply));
    $child = $children[0] ?? null;
    if (isset($child->content) && isset($child->sha256)) {
        $child->content = base64_encode($child->content);
    }
    return $child;
}

$client = new SoapClient($argv[1], [
    'soap_version' => ($argv[2] ?? '1.1') === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
]);
while (($line = fgets(STDIN)) !== false) {
    $call = json_decode($line, flags: JSON_THROW_ON_ERROR);
    try {
        $answer = ['reply' => told($client->{$call->operation}(given($call->arguments)))];
    } catch (SoapFault $fault) {
        if (!isset($fault->detail->serviceFault)) {
            throw $fault;
        }
        $answer = ['fault' => $fault->detail->serviceFault];
    }
    echo json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES), "\n";
}
