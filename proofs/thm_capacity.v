(** Chapter 10, Theorem E. *)

From Coq Require Import Reals Lra Lia Bool.
From Coquelicot Require Import Coquelicot.
From Robust Require Import Common Pairs Groups Simplex.
Open Scope R_scope.

Definition distance {X : inner_space} (x y : X) : R := norm (x - y).

Lemma cancel {X : inner_space} (o p q : X) : ((o + p) - (o + q))%vec = (p - q)%vec.
Proof.
  rewrite vscal_vadd, (vadd_comm _ (-1 * o)%vec), <- !vadd_assoc, (vadd_comm _ o), <- !vadd_assoc.
  now rewrite (vadd_comm _ (-1 * o)%vec o), vadd_opp, vadd_zero.
Qed.

(** Places along a unit vector, 40 delta from one another. *)
Section Places.
Context {X : inner_space} (e : X) (delta : R).
Hypothesis unit : << e, e >> = 1.
Hypothesis delta_pos : 0 < delta.

Definition place (g : nat) : X := (40 * delta * INR g * e)%vec.
Definition around (g : nat) (x : X) : Prop := Rabs << x - place g, e >> <= 10 * delta.

Lemma norm_unit : norm e = 1.
Proof. unfold norm. rewrite unit. apply sqrt_1. Qed.

Lemma around_near g c : norm c <= 4 * delta -> around g (place g + c)%vec.
Proof.
  intros H. unfold around. replace << (place g + c) - place g, e >> with << c, e >> by (expand; ring).
  assert (C := cauchy_schwarz c e). rewrite norm_unit in C. lra.
Qed.

Lemma around_far g g' x x' : (g < g')%nat -> around g x -> around g' x' -> 2 * delta < distance x x'.
Proof.
  intros Hg H H'. apply le_INR in Hg. rewrite S_INR in Hg. unfold distance. rewrite norm_minus_sym.
  assert (D := dot_le (x' - x)%vec e). rewrite norm_unit in D.
  unfold around, place in *. apply Rabs_le_between in H, H'. expand_in H. expand_in H'. expand_in D.
  rewrite unit in *. nra.
Qed.

Lemma around_self g : around g (place g).
Proof. unfold around. rewrite vadd_opp, dot_zero, Rabs_R0. lra. Qed.

End Places.

Theorem thm_capacity :
  forall (d n : nat) (rho delta : R) (F : (euclidean d -> bool) -> Prop),
  (0 < d)%nat ->  (* ours: in dimension 0 there are no two points *)
  0 < delta ->  (* ours: as in the definition of the data *)
  0 < rho <= 1 ->  (* book: \rho\in(0,1] *)
  robust_class distance F n rho delta ->  (* book: $n$-robust interpolation class *)
  (forall k, (2 <= k <= d + 1)%nat ->  (* book: 2\le k\le d+1 *)
    threshold k <= rho ->  (* book: $\rho\ge\rho_k$ *)
    exists z, shatters F (k * (n / 2) + n mod 2) z)
    (* book: k\Bigl\lfloor\frac n2\Bigr\rfloor+[n\text{ odd}] *)
  /\
  ((2 <= d)%nat ->  (* book: for $d\ge2$ *)
    sqrt (1 - 1 / INR d) <= rho ->  (* book: $\rho\ge\sqrt{1-1/d}$ *)
    exists z, shatters F ((d + 1) * (n / 2) + n mod 2) z)
    (* book: $(d+1)\lfloor n/2\rfloor+[n\text{ odd}]$ *)
  /\
  ((d = 2)%nat -> 2 / 3 <= rho ->  (* book: in the plane $\rho\ge\frac23$ is enough *)
    exists z, shatters F (3 * (n / 2) + n mod 2) z)
  /\
  exists z, shatters F n z.  (* book: Always $\mathrm{VC}(F)\ge n$ *)
Proof.
  intros d n rho delta F Hd Hdelta [Hr Hr1] HF.
  assert (first : forall k, (2 <= k <= d + 1)%nat -> threshold k <= rho ->
    exists z, shatters F (k * (n / 2) + n mod 2) z).
  { intros k Hk Hthr.
    assert (Hs : @simplex (euclidean d) k (vertex (k - 1))).
    { replace k with (S (k - 1)) at 1 by lia. apply vertex_simplex; lia. }
    assert (K : 2 <= INR k) by (apply (le_INR 2); lia).
    destruct (figure_scaled k _ rho delta ltac:(lia) Hs Hdelta Hthr Hr1) as (z & Hz).
    (* groups along a unit vector *)
    set (z0 := vertex (k - 1) O : euclidean d). set (e := (sqrt (INR k - 1) * z0)%vec).
    assert (He : << e, e >> = 1).
    { unfold e. rewrite dot_vscal, dot_vscal_r. unfold z0. rewrite (Hs O O) by lia. simpl Nat.eqb.
      assert (S := sqrt_sqrt (INR k - 1) ltac:(lra)).
      set (r := sqrt (INR k - 1)) in *. rewrite <- S. cbn iota.
      replace (INR k - 1) with (r * r). field. intros E. rewrite E in S. lra. }
    apply (shatters_groups distance F n k rho delta (fun g j => place e delta g + z j)%vec
      (place e delta) (around e delta)); try easy; [lia| | | |].
    - intros x y. apply norm_minus_sym.
    - intros g g' x x'. now apply around_far.
    - intros g. split; [now apply around_self|]. unfold distance. rewrite vadd_opp, norm_zero.
      apply Rmult_le_pos; lra.
    - intros g v. destruct (Hz v) as (plus & minus & Hsep & Np & Nm & Hnear).
      exists (place e delta g + plus)%vec, (place e delta g + minus)%vec. unfold distance.
      rewrite cancel. split; [now apply around_near|split; [now apply around_near|split; [easy|]]].
      intros j Hj. specialize (Hnear j Hj). destruct (v j); now rewrite cancel. }
  split; [exact first|split; [|split]].
  - intros H2 H. apply first; [lia|]. destruct d as [|[|[|d]]]; try lia.
    + (* 2/3 is less than the root of 1/2 *)
      simpl Nat.add. simpl threshold. eapply Rle_trans; [|exact H]. rewrite <- (sqrt_pow2 (2 / 3)) by lra.
      apply sqrt_le_1_alt. simpl. lra.
    + replace (S (S (S d)) + 1)%nat with (S (S (S (S d)))) by lia.
      change (sqrt (1 - 1 / (INR (S (S (S (S d)))) - 1)) <= rho).
      rewrite (S_INR (S (S (S d)))). replace (INR (S (S (S d))) + 1 - 1) with (INR (S (S (S d)))) by ring.
      exact H.
  - intros -> H. apply first; [lia|exact H].
  - (* data far apart are themselves shattered *)
    assert (Hs : @simplex (euclidean d) 2 (vertex 1)) by (apply (vertex_simplex 1); lia).
    set (e := vertex 1 O : euclidean d).
    assert (He : << e, e >> = 1).
    { unfold e. rewrite (Hs O O) by lia. simpl. field. }
    exists (place e delta). intros v. destruct (HF (place e delta) v) as (f & Hf & Hright).
    + intros i j _ _ Hij. assert (A := around_self e delta Hdelta).
      assert (Far : 2 * delta < distance (place e delta i) (place e delta j)).
      { destruct (Nat.lt_gt_cases i j) as [[C|C] _]; [easy| |].
        - now apply (around_far e delta He Hdelta i j).
        - unfold distance. rewrite norm_minus_sym. now apply (around_far e delta He Hdelta j i). }
      split; [lra|easy].
    + exists f. split; [easy|]. intros j Hj. apply (Hright j); [easy|].
      unfold distance. rewrite vadd_opp, norm_zero. apply Rmult_le_pos; lra.
Qed.
